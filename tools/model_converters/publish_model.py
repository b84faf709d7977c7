"""``python tools/model_converters/publish_model.py``: the same as ``rainrestore publish``."""

import sys

from rainrestore.cli.main import main

if __name__ == '__main__':
    sys.exit(main(['publish', *sys.argv[1:]]))
