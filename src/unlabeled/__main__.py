"""`python -m unlabeled` is the command line."""

import sys

from unlabeled.cli import main

if __name__ == "__main__":
    sys.exit(main())
