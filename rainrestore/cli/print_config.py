"""Print a config as it is used: every _base_ merged, with the command line's changes.

What is printed is a config file itself.
"""

import argparse

from mmengine.config import DictAction


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``rainrestore print_config``."""
    parser.add_argument('config', help='a config, e.g. configs/fcg_gan_x4.py')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, default={}, metavar='KEY=VALUE', help='changes to the config'
    )


def run(args: argparse.Namespace) -> int:
    """Print."""
    from rainrestore.engine.config import load_config

    print(load_config(args.config, args.cfg_options).pretty_text)
    return 0
