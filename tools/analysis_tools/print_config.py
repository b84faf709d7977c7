"""``python tools/analysis_tools/print_config.py``: the same as ``rainrestore print_config``."""

import sys

from rainrestore.cli.main import main

if __name__ == '__main__':
    sys.exit(main(['print_config', *sys.argv[1:]]))
