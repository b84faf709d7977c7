"""Print the average boxes of eyes, nose and lips of a data set."""

import sys

from rainrestore.datasets.component_boxes import main

if __name__ == '__main__':
    sys.exit(main())
