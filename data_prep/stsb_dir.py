"""As ``supremix prepare stsb_dir``, from a checkout."""

import sys

from supremix.prepare.stsb_dir import main

if __name__ == "__main__":
    sys.exit(main())
