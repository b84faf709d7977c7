"""The console command ``rainrestore``: it imports and runs one subcommand."""

import argparse
import ast
import atexit
import errno
import importlib
import importlib.util
import io
import os
import re
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import rainrestore
from rainrestore.errors import DISK_ERRORS, EXIT_INTERRUPTED, RainRestoreError, WriteError
from rainrestore.suggest import did_you_mean

#: Names of modules ``rainrestore.cli.NAME``. The first line of the module's docstring is the help text.
SUBCOMMANDS = (
    *('restore', 'export', 'web', 'zoo', 'train', 'test', 'audit', 'compare', 'benchmark', 'synthesize', 'publish'),
    *('list', 'browse', 'config', 'get_flops', 'analyze_logs', 'mixed_guidance', 'doctor'),
)

#: Exit code if the reader of the output ended first, as in ``rainrestore config NAME | head``; a shell gives the same.
EXIT_OUTPUT_CLOSED = 141
#: Exit code for wrong input and for failed writes; argparse uses the same for a wrong option.
EXIT_USER_ERROR = 2

# A DataLoader worker reports an error of this package as the last line of a traceback.
_ERROR_IN_WORKER = re.compile(r'^rainrestore\.[\w.]+: (?P<message>.+)$')
#: Errors of torch for limits of the machine -> the remedy.
_LIMITS = {
    re.compile(r".*?(out of memory|can't allocate memory|not enough memory)[^.\n]*"):
        'use a smaller batch (batch_size of the data loaders)',
    re.compile(r'DataLoader worker .* is killed by signal: Bus error'):
        'raise the limit of the shared memory (docker run --shm-size), or set num_workers=0 in the data loaders',
    re.compile(r'DataLoader worker .* (is killed by signal: \w+|exited unexpectedly)'):
        'if the memory is full, lower batch_size and num_workers of the data loaders',
}  # fmt: skip


class OneLineParser(argparse.ArgumentParser):
    """A parser with one-line errors: the mistake, and the command that prints the help, without the usage."""

    def error(self, message: str) -> NoReturn:
        """Print the line and exit with code 2."""
        self.exit(EXIT_USER_ERROR, f'{self.prog}: error: {" ".join(message.split())}; see {self.prog} --help\n')

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Refuse unknown arguments here: argparse leaves those of a subcommand to the parser of all commands."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            similar = did_you_mean(unknown[0].partition('=')[0], self._option_string_actions)
            self.error(f'unrecognized arguments: {" ".join(unknown)}{similar}')
        return found, unknown


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``rainrestore ARGV`` and return its exit code.

    A :class:`~rainrestore.errors.RainRestoreError`, also one in a DataLoader worker, is printed as one line, with exit
    code 2. So are a failed write (full disk, quota, limit of the file size, read-only disk), memory that does not
    suffice, and a DataLoader worker that the system has killed. Any other exception is a defect and is raised.

    Args:
        argv: The words after ``rainrestore``; None for ``sys.argv``.
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    # diffusers, which mmagic imports, warns about itself.
    warnings.filterwarnings('ignore', category=FutureWarning, module='diffusers')
    # A stream that was closed before the start (>&-) is None, to which progress bars and flush cannot write.
    for name in ('stdout', 'stderr'):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, 'w', encoding='utf-8'))  # noqa: SIM115
    # Print characters that the code page of the terminal lacks as escape sequences.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors='backslashreplace')
    # build_parser is in the block because add_arguments may read a file that is missing.
    try:
        with _ended_by_sigterm():
            args = build_parser(argv).parse_args(argv)
            # A command returns its exit code, or None for 0.
            code = args.run(args) or 0
        sys.stdout.flush()
        return code
    except KeyboardInterrupt as interrupt:
        # A second Ctrl-C would interrupt the exit handlers of torch with a traceback.
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_DFL)
        print('; '.join(['rainrestore: interrupted', *map(str, interrupt.args)]), file=sys.stderr)
        return EXIT_INTERRUPTED
    except (RainRestoreError, OSError, RuntimeError, MemoryError) as error:
        if isinstance(error, BrokenPipeError) and _output_is_closed():
            return EXIT_OUTPUT_CLOSED
        message = _known_message(error)
        if message is None:
            raise
    print(f'rainrestore: error: {" ".join(message.split())}', file=sys.stderr)
    return EXIT_USER_ERROR


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """End the program on SIGTERM with the exit code 143, after the removal of unfinished files.

    Without this handler, the system ends the process at once, and its temporary files remain.
    """
    owner = os.getpid()

    def stop(number: int, frame: object) -> None:
        if os.getpid() == owner:
            raise SystemExit(128 + number)
        # A forked process, such as a DataLoader worker.
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


def _output_is_closed() -> bool:
    """Whether nobody reads the standard output any more; what it still holds is then dropped."""
    try:
        print(flush=True)
    except BrokenPipeError:
        # Otherwise Python would print an error when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False


def _known_message(error: Exception) -> str | None:
    """The message for an error of this package, also in a worker, or for a limit of the machine; else None."""
    text = str(error).strip()
    if isinstance(error, RainRestoreError):
        return text
    if isinstance(error, OSError):
        if error.errno == errno.ENAMETOOLONG:
            return f'{error.filename}: this name is too long'
        place = error.filename or 'the output'
        return str(WriteError(error.errno, error.strerror, place)) if error.errno in DISK_ERRORS else None
    if in_worker := _ERROR_IN_WORKER.match(text.rpartition('\n')[2]):
        return in_worker['message']
    if isinstance(error, MemoryError):
        return f'out of memory ({text or "no further details"}): free some memory, or use a smaller batch or image'
    return next((f'{found[0]}: {remedy}' for limit, remedy in _LIMITS.items() if (found := limit.match(text))), None)


def build_parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    """The parser of the command line, with the help of all subcommands and the options of the one in ``argv``."""
    parser = OneLineParser(prog='rainrestore', description=rainrestore.__doc__)
    parser.add_argument('--version', action='version', version=f'rainrestore {rainrestore.__version__}')
    subparsers = parser.add_subparsers(metavar='COMMAND', required=True)
    chosen = next((word for word in argv if not word.startswith('-')), None)
    for name in SUBCOMMANDS:
        description = _docstring(name).replace('%', '%%')
        subparser = subparsers.add_parser(name, help=description.splitlines()[0], description=description)
        subparser.formatter_class = argparse.RawDescriptionHelpFormatter
        if name == chosen:
            module = importlib.import_module(f'rainrestore.cli.{name}')
            module.add_arguments(subparser)
            subparser.set_defaults(run=module.run)
    return parser


def _docstring(name: str) -> str:
    """The docstring of a subcommand's module. The module is not imported, because importing torch takes seconds."""
    source = Path(__file__).with_name(f'{name}.py').read_text(encoding='utf-8')
    return ast.get_docstring(ast.parse(source)) or name


if __name__ == '__main__':
    sys.exit(main())
