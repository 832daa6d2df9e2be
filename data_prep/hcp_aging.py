"""As ``supremix prepare hcp_aging``, from a checkout."""

import sys

from supremix.prepare.hcp_aging import main

if __name__ == "__main__":
    sys.exit(main())
