"""List, show, download and check the models of the zoo.

The models and their results are listed in model-index.yml of the package and of the folder RAINRESTORE_ZOO, which
rainrestore publish --zoo writes. Other commands take the names of the models: rainrestore restore --model NAME,
rainrestore://NAME.
"""

import argparse
from pathlib import Path

from rainrestore.cli.options import file_path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the commands of ``rainrestore zoo``."""
    commands = parser.add_subparsers(metavar='COMMAND', required=True)

    def command(name: str, summary: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=summary, description=f'{summary[0].upper()}{summary[1:]}.')
        added.set_defaults(command=name)
        return added

    command('list', 'list the models, their results, and the state of their files')
    shown = command('show', 'show all facts about a model')
    shown.add_argument('name', metavar='NAME', help='a model, such as fcg_gan_x4')
    data = 'folder of the CelebA faces of the index, {train,val,test}/{img,mask}, to measure on them as well as on the '
    out = 'folder for the results of the tests (default: work_dirs/zoo)'
    for name, summary in (
        ('download', 'download files to the cache, for use without a network'),
        ('verify', 'check the files, and measure results and small layers again; exit code 1 if one differs'),
        ('evaluate', 'measure the metrics and write them into the index'),
        ('audit', 'measure the contribution of each part of a model and write the findings into the index'),
    ):
        added = command(name, summary)
        added.add_argument('names', nargs='*', metavar='NAME', help='models' + ', or references' * (name != 'download'))
        added.add_argument('--all', action='store_true', help='all models of the index')
        if name != 'download':
            added.add_argument('--data', type=file_path, metavar='DIR', help=data + 'portraits')
            added.add_argument('--out', type=file_path, default=Path('work_dirs/zoo'), metavar='DIR', help=out)
    page = command('page', 'write model_zoo.md and its curves from the index')
    page.add_argument('--check', action='store_true', help='write nothing; exit code 1 if they are out of date')


def run(args: argparse.Namespace) -> int | None:
    """Run the chosen command."""
    # Its imports take seconds, which the help does not need.
    from rainrestore.cli.zoo_commands import COMMANDS

    return COMMANDS[args.command](args)
