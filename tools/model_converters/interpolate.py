"""Interpolate the weights of two checkpoints of one network: (1 - w) FIRST + w SECOND (Wang et al. 2018, ESRGAN).

FIRST is trained for PSNR, SECOND is FIRST after GAN training; a higher w lowers PSNR and improves LPIPS. Weights that
only SECOND has, such as discriminators, are copied.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from rainrestore.errors import CheckpointError, RainRestoreError
from rainrestore.files import whole_file
from rainrestore.torch_files import read_torch_file


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('first', type=Path, help='checkpoint of a training')
    parser.add_argument('second', type=Path, help='checkpoint of a training that started from it')
    parser.add_argument('out', type=Path, help='file to write')
    parser.add_argument('--weight', type=float, default=0.5, help='weight of the second, 0..1 (default: 0.5)')
    options = parser.parse_args(argv)
    try:
        if not 0 <= options.weight <= 1:
            raise CheckpointError(f'--weight must be in 0..1, got {options.weight:g}')
        first, second = (read_torch_file(str(path), 'cpu') for path in (options.first, options.second))
        mixed = dict(second['state_dict'])
        for name, value in first['state_dict'].items():
            if name not in mixed or mixed[name].shape != value.shape:
                raise CheckpointError(f'{options.second} has no {name} of the shape {tuple(value.shape)}')
            if value.is_floating_point():
                mixed[name] = torch.lerp(value, mixed[name], options.weight)
    except RainRestoreError as error:
        parser.exit(2, f'error: {error}\n')
    with whole_file(options.out) as part:
        torch.save({'meta': second['meta'], 'state_dict': mixed}, part)
    print(json.dumps({'out': str(options.out), 'weight': options.weight}))
    return 0


if __name__ == '__main__':
    sys.exit(main())
