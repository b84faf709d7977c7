"""The console command ``rainrestore``: it imports and runs one subcommand."""

import argparse
import ast
import importlib
import importlib.util
import io
import re
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import rainrestore
from rainrestore.errors import RainRestoreError
from rainrestore.files import DISK_ERRORS

#: Each is a module ``rainrestore.cli.NAME``; the first line of its docstring is its help.
SUBCOMMANDS = (
    *('restore', 'export', 'web', 'zoo', 'train', 'test', 'audit', 'compare', 'benchmark', 'synthesize', 'publish'),
    *('list', 'browse', 'config', 'get_flops', 'analyze_logs', 'mixed_guidance', 'doctor'),
)

#: The exit code of wrong input, as argparse uses for a wrong option.
EXIT_USER_ERROR = 2

# How a worker process of a DataLoader reports an error of this package: as the last line of a traceback.
_ERROR_IN_WORKER = re.compile(r'^rainrestore\.[\w.]+: (?P<message>.+)$')


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``rainrestore ARGV`` and return its exit code: that of the command, or 2 after one line of error.

    Exceptions that are not a :class:`~rainrestore.errors.RainRestoreError` are defects and pass through.
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    # diffusers, which mmagic imports, warns about itself.
    warnings.filterwarnings('ignore', category=FutureWarning, module='diffusers')
    # A terminal whose code page lacks a character of a path shows another one in its place.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors='backslashreplace')
    # add_arguments is inside as well, because a default that it reads may be missing.
    try:
        args = build_parser(argv).parse_args(argv)
        return args.run(args)
    except RainRestoreError as error:
        message = str(error)
    except OSError as error:
        if error.errno not in DISK_ERRORS:
            raise
        message = f'{error.filename or "a file"} cannot be written: {error.strerror}; make room, or write elsewhere'
    except RuntimeError as error:
        in_worker = _ERROR_IN_WORKER.match(str(error).strip().rpartition('\n')[2])
        if in_worker is None:
            raise
        message = in_worker['message']
    print(f'rainrestore: error: {" ".join(message.split())}', file=sys.stderr)
    return EXIT_USER_ERROR


def build_parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    """The parser for this command line: of all subcommands it knows the help, of the one in ``argv`` the options."""
    parser = argparse.ArgumentParser(prog='rainrestore', description=rainrestore.__doc__)
    parser.add_argument('--version', action='version', version=f'rainrestore {rainrestore.__version__}')
    subparsers = parser.add_subparsers(metavar='COMMAND', required=True)
    chosen = next((word for word in argv if not word.startswith('-')), None)
    for name in SUBCOMMANDS:
        docstring = _docstring(name)
        subparser = subparsers.add_parser(
            name,
            help=docstring.splitlines()[0].replace('%', '%%'),
            description=docstring.replace('%', '%%'),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name == chosen:
            module = importlib.import_module(f'rainrestore.cli.{name}')
            module.add_arguments(subparser)
            subparser.set_defaults(run=module.run)
    return parser


def _docstring(name: str) -> str:
    """The docstring of a subcommand's module, read without running it: a help text must not wait for torch."""
    source = Path(__file__).with_name(f'{name}.py').read_text(encoding='utf-8')
    return ast.get_docstring(ast.parse(source)) or name


if __name__ == '__main__':
    sys.exit(main())
