"""Draw the effect of each level of HiFaceGAN as a sheet.

From left to right: FIRST, REST, and for each k the result if FIRST guides the k coarsest levels and REST the others.
The network starts from FIRST resized to a few pixels: with k = 0 only the colours come from FIRST, and with all levels
the result is the restoration of FIRST. Both images must have the size of the config's inputs. Without REST a grey image
guides the other levels, and each column shows the effect of one more level.
"""

import argparse
import math
from typing import Any

from rainrestore.cli.options import add_shared, file_path

#: Value of the guide without REST, in 0..1. The network normalises it to 0.
GREY = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``rainrestore mixed_guidance``."""
    add = parser.add_argument
    add('config', help='a config of HiFaceGAN, e.g. hifacegan_128')
    add('checkpoint', help='a .pth or .safetensors file, or rainrestore://NAME')
    add('first', metavar='FIRST', type=file_path, help='the image that guides the coarse levels')
    rest = 'the image that guides the other levels (default: grey)'
    add('rest', metavar='REST', type=file_path, nargs='?', help=rest)
    add('--out', type=file_path, metavar='FILE', help='the sheet (default: work_dirs/<config>/mixed_guidance.png)')
    add_shared(parser, '--device', '--cfg-options')


def run(args: argparse.Namespace) -> None:
    """Restore with each split of the levels, and draw the results."""
    import torch

    from rainrestore.checkpoints import load_weights
    from rainrestore.config_files import default_work_dir
    from rainrestore.device import find_device
    from rainrestore.engine.config import build_model, load_config
    from rainrestore.errors import ConfigError
    from rainrestore.image_io import read_image
    from rainrestore.visualization import image_sheet, to_image

    config = load_config(args.config, args.cfg_options)
    device = find_device(args.device)
    model: Any = build_model(config, args.config)
    network: Any = getattr(getattr(model, 'generator', None), 'network', object())
    if not (hasattr(model, 'mixed_guidance') and hasattr(network, 'mixed_guidance')):
        raise ConfigError(
            f'{args.config}: the network has no levels to guide; use HiFaceGAN (configs/hifacegan/hifacegan_128.py)'
        )
    images = [read_image(path) for path in (args.first, args.rest) if path is not None]
    height, width = images[0].shape[:2]
    least = math.ceil(2 ** (network.levels + 1) / model.generator.scale)
    if min(height, width) < least:
        raise ConfigError(f'{args.first}: is {width}x{height}; {network.levels} levels need sides of at least {least}')
    if images[-1].shape != images[0].shape:
        height, width = images[-1].shape[:2]
        raise ConfigError(f'{args.rest}: is {width}x{height}, and {args.first} is not; both must have the same size')
    load_weights(model, args.checkpoint)
    model.to(device).eval()

    guides = [torch.from_numpy(image).permute(2, 0, 1)[None].to(device).float() / 255 for image in images]
    first, rest = guides[0], guides[1] if args.rest else torch.full_like(guides[0], GREY)
    counts = range(network.levels + 2)
    restored = [to_image(model.mixed_guidance(first, rest, count)[0]) for count in counts]
    given = [to_image(guide[0]) for guide in (first, rest)]
    titles = ['first', 'rest' if args.rest else 'grey', *(f'k = {count}' for count in counts)]
    out = args.out or default_work_dir(args.config) / 'mixed_guidance.png'
    print(f'sheet: {image_sheet([[*given, *restored]], titles, out, cell=max(restored[0].shape))}')
