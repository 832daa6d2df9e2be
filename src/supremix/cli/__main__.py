"""As the command ``supremix``: ``python -m supremix.cli``."""

import sys

from supremix.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
