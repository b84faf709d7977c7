"""``python tools/compare.py``: the same as ``rainrestore compare``."""

import sys

from rainrestore.cli.main import main

if __name__ == '__main__':
    sys.exit(main(['compare', *sys.argv[1:]]))
