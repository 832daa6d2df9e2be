"""As the command ``supremix``: ``python -m supremix.cli``."""

from supremix.cli.main import main

if __name__ == "__main__":
    main()
