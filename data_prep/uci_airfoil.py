"""As ``supremix prepare uci_airfoil``, from a checkout."""

import sys

from supremix.prepare.uci_airfoil import main

if __name__ == "__main__":
    sys.exit(main())
