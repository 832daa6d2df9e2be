"""As ``supremix prepare imdb_wiki``, from a checkout."""

import sys

from supremix.prepare.imdb_wiki import main

if __name__ == "__main__":
    sys.exit(main())
