"""As ``supremix twin``, from a checkout."""

import sys

from supremix.prepare.twins.command import main

if __name__ == "__main__":
    sys.exit(main())
