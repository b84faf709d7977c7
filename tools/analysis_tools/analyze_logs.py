"""``python tools/analysis_tools/analyze_logs.py``: the same as ``rainrestore analyze_logs``."""

import sys

from rainrestore.cli.main import main

if __name__ == '__main__':
    sys.exit(main(['analyze_logs', *sys.argv[1:]]))
