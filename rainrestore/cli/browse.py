"""Draw the output of a config's data pipeline as a sheet of faces.

Each row shows the input I, the ground truth with the boxes of the local discriminators, J, S, T, A, the parsing F and
the drop mask M, after all steps of the pipeline of --split. --show also opens a window.
"""

import argparse
from pathlib import Path

from rainrestore.cli.options import add_shared, file_path, whole_number


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``rainrestore browse``."""
    add = parser.add_argument
    add_shared(parser, 'config', '--data')
    add('--split', choices=('train', 'val', 'test'), default='train', help='data loader to use (default: train)')
    add('--images', type=whole_number, default=8, help='faces on the sheet (default: 8)')
    add('--out', type=file_path, metavar='FILE', help='the sheet (default: work_dirs/<config>/browse_<split>.png)')
    add('--show', action='store_true', help='also open a window')
    add_shared(parser, '--cfg-options')


def run(args: argparse.Namespace) -> None:
    """Run the pipeline on the first faces and draw the results."""
    from mmengine.registry import init_default_scope
    from mmengine.runner import set_random_seed

    from rainrestore.config_files import default_work_dir
    from rainrestore.engine.config import check_outside_of_data, load_config
    from rainrestore.errors import ConfigError
    from rainrestore.registry import DATASETS, SCOPE
    from rainrestore.visualization import fed_rows, image_sheet

    config = load_config(args.config, args.cfg_options, args.data)
    loader = config.get(f'{args.split}_dataloader')
    if not loader:
        raise ConfigError(f'{args.config}: no {args.split}_dataloader; choose another --split')
    out = args.out or default_work_dir(args.config) / f'browse_{args.split}.png'
    check_outside_of_data(out, loader)
    init_default_scope(config.get('default_scope', SCOPE))
    set_random_seed((config.get('randomness') or {}).get('seed') or 0)
    dataset = DATASETS.build(loader.dataset)
    local = (config.get('model') or {}).get('local_discriminators') or {}
    boxes = {name: tuple(discriminator['box']) for name, discriminator in local.items() if discriminator}
    fed = [dataset[index] for index in range(min(args.images, len(dataset)))]
    inputs, samples = [item['inputs'] for item in fed], [item['data_samples'].to_dict() for item in fed]
    try:
        rows, titles, names = fed_rows(inputs, samples, boxes)
    except ValueError as error:
        raise ConfigError(f'{args.config}: {error}') from error
    print(f'sheet: {image_sheet(rows, titles, out, names)}')
    if args.show:
        _show(out)


def _show(path: Path) -> None:
    """Show the sheet in a window; return when it is closed.

    Raises:
        ConfigError: There is no display.
    """
    import numpy as np
    from matplotlib import pyplot
    from PIL import Image

    from rainrestore.errors import ConfigError

    if pyplot.get_backend().lower() == 'agg':
        raise ConfigError(f'--show: cannot open a window (no display); the sheet is {path}')
    with Image.open(path) as sheet:
        figure = pyplot.figure(path.name, figsize=(sheet.width / 100, sheet.height / 100), dpi=100)
        figure.figimage(np.asarray(sheet))
    pyplot.show()
