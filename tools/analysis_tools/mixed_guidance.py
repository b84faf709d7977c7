"""``python tools/analysis_tools/mixed_guidance.py``: the same as ``rainrestore mixed_guidance``."""

import sys

from rainrestore.cli.main import main

if __name__ == '__main__':
    sys.exit(main(['mixed_guidance', *sys.argv[1:]]))
