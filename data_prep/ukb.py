"""As ``supremix prepare ukb``, from a checkout."""

import sys

from supremix.prepare.ukb import main

if __name__ == "__main__":
    sys.exit(main())
