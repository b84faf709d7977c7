"""``python -m rainrestore``: the command ``rainrestore``."""

import sys

from rainrestore.cli.main import main

if __name__ == '__main__':
    sys.exit(main())
