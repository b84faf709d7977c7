"""Only one run uses a work dir, and the error for an unwritable work dir is one line."""

import errno
import json
import logging
import multiprocessing
import os
import threading
import time
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest
from mmengine.config import Config
from toy import toy_config

from rainrestore.cli.main import main
from rainrestore.engine.work_dir import HOLDER, LOCK, held_folder, locked, writable
from rainrestore.errors import ConfigError

FORK = multiprocessing.get_context('fork')


def hold(folder: Path, held: Event) -> None:
    """Lock the folder until the process is killed."""
    with held_folder(folder):
        held.set()
        time.sleep(600)


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[BaseProcess]:
    """Another process that locks the folder ``work``."""
    held = FORK.Event()
    process = FORK.Process(target=hold, args=(tmp_path / 'work', held))
    process.start()
    assert held.wait(60)
    yield process
    process.kill()
    process.join()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The toy training as a file."""
    written = toy_config(tmp_path / 'work', 1, custom_imports=dict(imports=['toy']))
    written.dump(tmp_path / 'config.py')
    return tmp_path / 'config.py'


def train(config: Path, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str]:
    code = main(['train', str(config), *options])
    return code, capsys.readouterr().err


def test_second_run_is_refused_and_the_running_process_is_named(
    tmp_path: Path, holder: BaseProcess, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(path.name for path in (tmp_path / 'work').iterdir())
    code, said = train(config, capsys)
    assert code == 2
    assert f'work is in use by another run (process {holder.pid} on ' in said
    assert said.count('\n') == 1
    assert sorted(path.name for path in (tmp_path / 'work').iterdir()) == before == [LOCK, HOLDER]


def test_lock_of_a_killed_run_is_released(tmp_path: Path, holder: BaseProcess) -> None:
    holder.kill()
    holder.join()
    assert (tmp_path / 'work' / HOLDER).is_file()
    with held_folder(tmp_path / 'work'):
        assert json.loads((tmp_path / 'work' / HOLDER).read_text())['pid'] == os.getpid()
    assert not (tmp_path / 'work' / HOLDER).exists()


def test_lock_is_released_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), held_folder(tmp_path):
        _ = 1 / 0
    with held_folder(tmp_path):
        pass


def test_damaged_lock_information_is_ignored(tmp_path: Path, holder: BaseProcess) -> None:
    (tmp_path / 'work' / HOLDER).write_text('{"pid": "x"')
    with pytest.raises(ConfigError, match='is in use by another run: wait'), held_folder(tmp_path / 'work'):
        pass


def test_file_system_without_locks_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: object) -> None:
        raise OSError(errno.ENOLCK, 'No locks available')

    monkeypatch.setattr('filelock.FileLock.acquire', refuse)
    with locked(tmp_path):
        assert list(tmp_path.iterdir()) == []


def test_work_dir_that_is_a_file_is_refused(tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / 'work').write_text('a file')
    code, said = train(config, capsys)
    assert (code, said.count('\n')) == (2, 1)
    assert 'work cannot be written: File exists' in said
    code, said = train(config, capsys, '--work-dir', str(tmp_path / 'work' / 'below'))
    assert (code, said.count('\n')) == (2, 1)
    assert 'below cannot be written: Not a directory' in said
    assert (tmp_path / 'work').read_text() == 'a file'


def test_full_disk_during_the_write_of_the_config_is_named(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Config, file: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Config, 'dump', full)
    code, said = train(config, capsys)
    assert code == 2
    assert said.strip().endswith(
        'work cannot be written: No space left on device; free disk space, or choose another folder'
    )


def lose(folder: Path) -> None:
    folder.rmdir()
    (folder / 'log').write_text('a line')


def test_removed_work_dir_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError, match='run cannot be written: No such file or directory'),
        writable(tmp_path / 'run'),
    ):
        lose(tmp_path / 'run')


def test_read_only_work_dir_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='run cannot be written: Permission denied'), writable(tmp_path / 'run'):
        raise PermissionError(errno.EACCES, 'Permission denied', str(tmp_path / 'run' / 'a.log'))


def test_errors_of_other_files_are_raised_unchanged(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), writable(tmp_path / 'run'):
        open(tmp_path / 'elsewhere' / 'faces.png')  # noqa: SIM115
    assert logging.raiseExceptions


def test_output_folder_of_a_test_that_is_a_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip('mmagic')
    (tmp_path / 'out').write_text('a file')
    assert main(['test', 'bicubic_x4', 'none', '--out', str(tmp_path / 'out')]) == 2
    assert 'out cannot be written: File exists' in capsys.readouterr().err


def test_full_disk_in_any_command_is_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(args: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), 'o/face.png')

    monkeypatch.setattr('rainrestore.cli.zoo.run', full)
    assert main(['zoo', 'list']) == 2
    said = 'rainrestore: error: o/face.png: cannot be written (No space left on device); free some space'
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(('error', 'shown'), [(errno.ENOSPC, False), (errno.EPERM, True)])
def test_thread_that_cannot_write_prints_no_traceback(tmp_path: Path, capfd, error: int, shown: bool) -> None:
    """TensorBoard writes in a thread."""

    def write() -> None:
        raise OSError(error, os.strerror(error))

    before = threading.excepthook
    with writable(tmp_path):
        thread = threading.Thread(target=write)
        thread.start()
        thread.join()
    assert ('Traceback' in capfd.readouterr().err) == shown
    assert threading.excepthook is before
