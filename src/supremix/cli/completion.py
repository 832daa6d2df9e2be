"""Print what completes sub-commands, options and names with the Tab key, for a shell's start-up file."""

import argparse

SHELLS = ("bash", "zsh", "fish")
EXAMPLES = """\
  echo 'eval "$(supremix completion bash)"' >> ~/.bashrc
  echo 'eval "$(supremix completion zsh)"' >> ~/.zshrc
  supremix completion fish > ~/.config/fish/completions/supremix.fish"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the shell."""
    parser.add_argument("shell", choices=SHELLS)


def run(options: argparse.Namespace) -> int:
    """Print the shell's code. Returns the exit code."""
    import argcomplete

    print(argcomplete.shellcode(["supremix"], shell=options.shell))
    return 0
