"""``python tools/analysis_tools/browse_dataset.py``: the same as ``rainrestore browse``."""

import sys

from rainrestore.cli.main import main

if __name__ == '__main__':
    sys.exit(main(['browse', *sys.argv[1:]]))
