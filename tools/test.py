"""``python tools/test.py``: the same as ``rainrestore test``."""

import sys

from rainrestore.cli.main import main

if __name__ == '__main__':
    sys.exit(main(['test', *sys.argv[1:]]))
