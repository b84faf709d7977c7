"""Print the mean boxes of eyes, nose and lips over the label maps of a split.

The last line is JSON for a config: half-open boxes x0, y0, x1, y1.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rainrestore.datasets.component_boxes import component_boxes
from rainrestore.datasets.face_dataset import resolve_data_root
from rainrestore.errors import DatasetError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('data', nargs='?', help='data set folder (default: $RAINRESTORE_DATA or the bundled faces)')
    parser.add_argument('--split', default='train', help='default: train')
    parser.add_argument('--min-height', type=int, default=32, help='in pixels (default: 32)')
    parser.add_argument('--min-width', type=int, default=40, help='in pixels (default: 40)')
    options = parser.parse_args(argv)
    folder = Path(resolve_data_root(options.data), options.split, 'mask')
    try:
        boxes = component_boxes(folder, options.min_height, options.min_width, progress=True)
    except (DatasetError, ValueError) as error:
        parser.exit(2, f'error: {error}\n')
    print(json.dumps(boxes))
    return 0


if __name__ == '__main__':
    sys.exit(main())
