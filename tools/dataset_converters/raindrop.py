"""Align and cut the Raindrop set."""

import sys

from rainrestore.datasets.converters.raindrop import main

if __name__ == '__main__':
    sys.exit(main())
