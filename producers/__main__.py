"""`python -m producers`: the same as `candora-ci`, where scripts are not on the PATH."""

import sys

from producers.cli import main

if __name__ == "__main__":
    sys.exit(main())
