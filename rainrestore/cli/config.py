"""Print a config, or write it to a file, with all _base_ files merged and --cfg-options applied.

Without CONFIG, or with --list, the command lists the configs of this package. To start your own config, write
_base_ = 'rainrestore::fcg_gan_x4.py' in it. CONFIG may also be a benchmark, such as table1; its
file is printed unchanged.
"""

import argparse
import re
import textwrap
from pathlib import Path

from rainrestore.cli.options import add_shared, file_path

#: Characters of the summary of a config in the list.
SENTENCE = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``rainrestore config``."""
    parser.add_argument('config', nargs='?', help='a config file, or the name of a config, such as srgan_x4')
    parser.add_argument('-o', '--out', type=file_path, metavar='FILE', help='write it to the new file FILE')
    parser.add_argument('--list', action='store_true', help='list the configs of this package')
    add_shared(parser, '--cfg-options')


def run(args: argparse.Namespace) -> None:
    """List, print or write."""
    from mmengine.config import Config

    from rainrestore.config_files import find_file, is_benchmark
    from rainrestore.engine.config import load_config
    from rainrestore.errors import ConfigError
    from rainrestore.files import write_text

    if args.list or args.config is None:
        print('\n'.join(_listed()))
        return
    if is_benchmark(args.config):
        if args.cfg_options:
            raise ConfigError(f'--cfg-options: {args.config} is a benchmark; change the file')
        # pretty_text would sort the methods.
        text = find_file(args.config, 'benchmarks').read_text(encoding='utf-8')
    else:
        # A new Config has the layout of a Python file.
        text = Config(load_config(args.config, args.cfg_options).to_dict()).pretty_text
    if args.out is None:
        print(text)
        return
    if args.out.exists():
        raise ConfigError(f'--out: {args.out} exists already; choose another name')
    write_text(args.out, text)
    print(f'written: {args.out}')


def _listed() -> list[str]:
    """One line per config: its name and the first sentence of its comment, sorted by folder."""
    from rainrestore.config_files import package_folder, packaged_files

    root = package_folder('configs')
    files = sorted(packaged_files().values(), key=lambda path: (len(path.relative_to(root).parts), path))
    width = max(len(path.stem) for path in files)
    lines, family = [], Path()
    for path in files:
        folder = path.parent.relative_to(root)
        if folder != family:
            lines += ['', f'{folder}/']
            family = folder
        comment = ' '.join(path.read_text(encoding='utf-8').partition('\n_base_')[0].replace('#', '').split())
        sentence = re.split(r'\.(?: (?=[A-Z])|$)', comment)[0]
        lines.append(f'{path.stem:{width}}  {textwrap.shorten(sentence, SENTENCE, placeholder=" ...")}')
    return lines
