"""``python tools/train.py CONFIG``: the same as ``rainrestore train``."""

import sys

from rainrestore.cli.main import main

if __name__ == '__main__':
    sys.exit(main(['train', *sys.argv[1:]]))
