"""The console command imports and runs one subcommand, and prints a user error as one line."""

import argparse
import io
import os
import re
import signal
import subprocess
import sys
import time
import types
from contextlib import redirect_stderr
from pathlib import Path

import numpy as np
import pytest
import torch

import rainrestore
from rainrestore.cli import main as cli
from rainrestore.cli.options import fraction, whole_number
from rainrestore.errors import CheckpointError, ConfigError, RainRestoreError
from rainrestore.files import whole_file

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def doctor(monkeypatch):
    """Replaces the doctor; ``doctor.outcome`` is the value that its run returns or raises."""
    module = types.ModuleType('rainrestore.cli.doctor')
    module.outcome = 0

    def run(args):
        module.args = args
        if isinstance(module.outcome, Exception):
            raise module.outcome
        return module.outcome

    module.add_arguments = lambda parser: parser.add_argument('--json', action='store_true')
    module.run = run
    monkeypatch.setitem(sys.modules, 'rainrestore.cli.doctor', module)
    return module


def test_version_is_printed(capsys):
    with pytest.raises(SystemExit, match='0'):
        cli.main(['--version'])
    assert capsys.readouterr().out.strip() == f'rainrestore {rainrestore.__version__}'


@pytest.mark.parametrize('argv', [['--version'], ['restore', '--help'], ['tset']])
def test_package_run_as_a_module_equals_the_command(argv):
    modules = ('rainrestore', 'rainrestore.cli.main')
    package, command = (
        subprocess.run([sys.executable, '-m', module, *argv], cwd=ROOT, capture_output=True, text=True)
        for module in modules
    )
    assert package.returncode == (2 if argv == ['tset'] else 0)
    assert (package.returncode, package.stdout, package.stderr) == (command.returncode, command.stdout, command.stderr)
    assert 'rainrestore' in package.stdout + package.stderr


@pytest.mark.parametrize('code', [0, 1, 5])
def test_subcommand_gets_its_options_and_returns_the_exit_code(doctor, code):
    doctor.outcome = code
    assert cli.main(['doctor', '--json']) == code
    assert doctor.args.json is True


@pytest.mark.parametrize('kind', [RainRestoreError, ConfigError, CheckpointError])
def test_user_error_is_one_line(doctor, capsys, kind):
    doctor.outcome = kind('no checkpoint at x.pth;\n  give a file')
    assert cli.main(['doctor']) == 2
    assert capsys.readouterr() == ('', 'rainrestore: error: no checkpoint at x.pth; give a file\n')


def test_error_in_a_data_worker_is_one_line(doctor, capsys):
    doctor.outcome = RuntimeError(
        'Caught ImageFileError in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\n'
        '  File "fetch.py", line 3, in fetch\nrainrestore.errors.ImageFileError: a.png: cut short\n'
    )
    assert cli.main(['doctor']) == 2
    assert capsys.readouterr().err == 'rainrestore: error: a.png: cut short\n'


@pytest.mark.parametrize(
    ('error', 'said'),
    [
        ('CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has', 'CUDA out of memory: use a smaller batch'),
        (
            "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to "
            'allocate 99 bytes. Error code 12 (Cannot allocate memory)',
            "can't allocate memory: you tried to allocate 99 bytes: use a smaller batch",
        ),
        ('DataLoader worker (pid 7) is killed by signal: Killed. ', 'Killed: if the memory is full, lower batch_size'),
        (
            "DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that dataloader's workers are "
            'out of shared memory. Please try to raise your shared memory limit.',
            'Bus error: raise the limit of the shared memory',
        ),
        ('DataLoader worker (pid(s) 7, 8) exited unexpectedly', 'exited unexpectedly: if the memory is full'),
    ],
)
def test_out_of_memory_error_is_one_line(doctor, capsys, error, said):
    doctor.outcome = RuntimeError(error)
    assert cli.main(['doctor']) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_real_out_of_memory_error_is_one_line(doctor, capsys):
    """The errors of torch and numpy for a request of 2 EiB on this machine."""
    for allocate in (lambda: torch.empty(2**61, dtype=torch.uint8), lambda: np.empty(2**61, np.uint8)):
        with pytest.raises((RuntimeError, MemoryError)) as caught:
            allocate()
        doctor.outcome = caught.value
        assert cli.main(['doctor']) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert 'smaller batch' in line


@pytest.mark.parametrize('defect', [KeyError('x'), RuntimeError('shapes differ'), OSError('disk full')])
def test_programming_error_keeps_its_traceback(doctor, defect):
    doctor.outcome = defect
    with pytest.raises(type(defect)):
        cli.main(['doctor'])


@pytest.mark.parametrize(
    'argv, said',
    [
        ([], 'rainrestore: error: .*COMMAND; see rainrestore --help'),
        (['tset'], "rainrestore: error: .*invalid choice: 'tset'.*; see rainrestore --help"),
        (['doctor', '-x'], 'rainrestore doctor: error: unrecognized arguments: -x; see rainrestore doctor --help'),
        (
            ['doctor', '--jsn', '--device\n'],
            r"rainrestore doctor: error: unrecognized arguments: --jsn --device \(did you mean '--json'\?\); "
            'see rainrestore doctor --help',
        ),
        (
            ['zoo', 'verify', '--alles'],
            r"rainrestore zoo verify: error: .*: --alles \(did you mean '--all'\?\); see rainrestore zoo verify --help",
        ),
    ],
)
def test_wrong_command_line_is_one_line_that_names_the_mistake(doctor, capsys, argv, said):
    with pytest.raises(SystemExit, match='2'):
        cli.main(argv)
    output = capsys.readouterr()
    assert output.out == '' and re.fullmatch(said + '\n', output.err)


def test_wrong_value_of_an_option_is_one_line_for_every_command():
    """A word for each number and for each choice of each command, also of the commands of ``zoo``."""
    checked = 0
    for name in cli.SUBCOMMANDS:
        for parser in _parsers(cli.build_parser([name]), name):
            for action in parser._actions:
                if not action.option_strings or not (
                    action.choices or action.type in (int, float, whole_number, fraction)
                ):
                    continue
                words = ['no,such'] * (action.nargs if isinstance(action.nargs, int) else 1)
                with pytest.raises(SystemExit, match='2'), redirect_stderr(io.StringIO()) as said:
                    parser.parse_args([action.option_strings[0], *words])
                start = f'{parser.prog}: error: argument {"/".join(action.option_strings)}: '
                line = said.getvalue()
                assert line.startswith(start) and 'no,such' in line and line.endswith(f'see {parser.prog} --help\n')
                assert line.count('\n') == 1
                checked += 1
    assert checked > 20


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        *((f'restore x -o out --strength {value}', 'above 0, at most 1') for value in ('nan', 'inf', '0', '1.1')),
        *((f'restore x -o out --batch {value}', 'an integer of at least 1') for value in ('0', 'nan', '1.5')),
        *((f'compare a b --resamples {value}', 'an integer of at least 1') for value in ('0', 'inf')),
        *((f'compare a b --seed {value}', 'an integer of at least 0') for value in ('-1', 'nan')),
        *(
            (f'benchmark table1 {name} {value}', 'at least 1')
            for name in ('--faces', '--batch')
            for value in ('0', 'nan')
        ),
        ('benchmark table1 --seeds 1 -1', 'an integer of at least 0'),
    ],
)
def test_number_outside_of_its_range_is_named(words, said, capsys):
    *_, option, value = words.replace('--seeds 1', '--seeds').split()
    with pytest.raises(SystemExit, match='2'):
        cli.main(words.split())
    assert re.fullmatch(f'.*: error: argument {option}: .*{said}, got {value!r}; see .*\n', capsys.readouterr().err)


def _parsers(parser, name):
    """The parsers of a command: its own, or those of its sub-commands."""
    (commands,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    chosen = commands.choices[name]
    inner = [action for action in chosen._actions if isinstance(action, argparse._SubParsersAction)]
    return list(inner[0].choices.values()) if inner else [chosen]


@pytest.mark.parametrize('name', cli.SUBCOMMANDS)
def test_every_subcommand_prints_its_help(name, capsys):
    with pytest.raises(SystemExit, match='0'):
        cli.main([name, '--help'])
    assert f'usage: rainrestore {name}' in capsys.readouterr().out


def test_help_lists_every_subcommand_without_slow_imports():
    program = """
import sys
from rainrestore.cli.main import main
try:
    main(['--help'])
except SystemExit:
    pass
loaded = [name for name in ('torch', 'numpy', 'mmengine', 'rainrestore.cli.train') if name in sys.modules]
print('loaded:', loaded)
"""
    done = subprocess.run([sys.executable, '-c', program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert 'loaded: []' in done.stdout
    for name in cli.SUBCOMMANDS:
        assert re.search(rf'^    {name}\b', done.stdout, re.MULTILINE)


def test_interruption_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The same holds during the imports, before a command handles the signal."""

    def interrupted(argv: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr('rainrestore.cli.main.build_parser', interrupted)
    assert cli.main(['doctor']) == 130
    assert capsys.readouterr().err == 'rainrestore: interrupted\n'


def test_second_interruption_during_the_exit_has_no_traceback() -> None:
    program = """
import atexit, os, signal, sys
from rainrestore.cli import main as cli

def interrupted(argv):
    raise KeyboardInterrupt

atexit.register(os.kill, os.getpid(), signal.SIGINT)  # runs after the handlers that main registers
cli.build_parser = interrupted
sys.exit(cli.main(['doctor']))
"""
    done = subprocess.run([sys.executable, '-c', program], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, 'rainrestore: interrupted\n')


def test_sigterm_removes_unfinished_files(doctor, tmp_path: Path) -> None:
    def terminated(args: object) -> None:
        with whole_file(tmp_path / 'result.png'):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10)

    doctor.run = terminated
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as stop:
        cli.main(['doctor'])
    assert stop.value.code == 143
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) is before


def test_name_that_is_too_long_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    name = 'x' * 300
    for words in (['train', name], ['config', name], ['get_flops', name], ['analyze_logs', name]):
        assert cli.main(words) == 2
        message = capsys.readouterr().err
        assert message.startswith(f'rainrestore: error: {name}: ') and message.count('\n') == 1


@pytest.mark.parametrize('name', ['stdout', 'stderr'])
def test_command_runs_without_an_open_stream(doctor, monkeypatch, name):
    """Closed by ``>&-`` or ``2>&-``; Python then has None in its place."""
    monkeypatch.setattr(sys, name, None)
    assert cli.main(['doctor']) == 0
    with getattr(sys, name) as stream:
        print('progress', file=stream, flush=True)
    assert stream.name == os.devnull


def test_closed_output_pipe_ends_the_command_without_a_traceback(doctor, monkeypatch):
    """As in ``rainrestore config NAME | head``, with less and with more output than a buffer."""
    for text in ('a line', 'a line\n' * 100_000):
        doctor.run = lambda args, text=text: print(text)
        read, write = os.pipe()
        os.close(read)
        with open(write, 'w') as output, monkeypatch.context() as patch:
            patch.setattr(sys, 'stdout', output)
            assert cli.main(['doctor']) == 141


def test_broken_pipe_to_another_process_is_a_programming_error(doctor):
    doctor.outcome = BrokenPipeError(32, 'Broken pipe')
    with pytest.raises(BrokenPipeError):
        cli.main(['doctor'])
