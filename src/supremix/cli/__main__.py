"""As the command ``supremix``: ``python -m supremix.cli``."""

from supremix.cli.main import command

if __name__ == "__main__":
    command()
