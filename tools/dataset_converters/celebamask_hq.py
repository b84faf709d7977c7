"""Convert the official CelebAMask-HQ release."""

import sys

from rainrestore.datasets.converters.celebamask_hq import main

if __name__ == '__main__':
    sys.exit(main())
