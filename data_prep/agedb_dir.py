"""As ``supremix prepare agedb_dir``, from a checkout."""

import sys

from supremix.prepare.agedb_dir import main

if __name__ == "__main__":
    sys.exit(main())
