"""``python -m symgluon``."""

import sys

from symgluon.cli import main

if __name__ == "__main__":
    sys.exit(main())
