"""``python tools/analysis_tools/get_flops.py``: the same as ``rainrestore get_flops``."""

import sys

from rainrestore.cli.main import main

if __name__ == '__main__':
    sys.exit(main(['get_flops', *sys.argv[1:]]))
