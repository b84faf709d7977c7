"""``python tools/analysis_tools/print_config.py``: the same as ``rainrestore config``."""

import sys

from rainrestore.cli.main import main

if __name__ == '__main__':
    sys.exit(main(['config', *sys.argv[1:]]))
