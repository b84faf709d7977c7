"""At every moment of a save there is a complete checkpoint, and the newest complete checkpoint is found."""

import contextlib
import errno
import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.runner import Runner
from toy import toy_config

from rainrestore.checkpoints import load_checkpoint
from rainrestore.engine import saving
from rainrestore.engine.saving import newest_checkpoint, write_whole
from rainrestore.errors import CheckpointError, ConfigError
from rainrestore.torch_files import read_torch_file, sealed

HERE = Path(__file__).parent
ROOT = HERE.parent

# Saves iterations 1 and 2, keeping one, and is killed before the n-th step of the second save on the disk: half of
# the bytes, fsync of the file, its renaming, fsync of the folder, the same four of last_checkpoint, the removal.
KILLED = """
import builtins, os, signal, sys
from pathlib import Path
from mmengine.runner import Runner
from rainrestore.engine import saving
from toy import toy_config

def run(folder, phase):
    steps = []
    original = saving.write_whole
    def step(real):
        def killing(*args):
            steps.append(real)
            if len(steps) > phase:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args)
        return killing
    class Half:
        def __init__(self, file): self.file = file
        def __enter__(self): return self
        def __exit__(self, *args): self.file.close()
        def write(self, content):
            self.file.write(content[:len(content) // 2])
            self.file.flush()
            step(self.file.write)(content[len(content) // 2:])
        def flush(self): self.file.flush()
        def fileno(self): return self.file.fileno()
    class Disk:
        def __getattr__(self, name):
            real = getattr(os, name)
            return step(real) if name in ('fsync', 'replace') else real
    def second_save(path, content):
        if Path(path).name == 'iter_2.pth':
            saving.os = Disk()
            saving.open = lambda *args: Half(builtins.open(*args))
            saving.WholeCheckpointHook._remove = step(saving.WholeCheckpointHook._remove)
        original(path, content)
    saving.write_whole = second_save
    config = toy_config(folder, 2)
    config.default_hooks.checkpoint.max_keep_ckpts = 1
    Runner.from_cfg(config).train()
    assert len(steps) == phase, steps

# The children inherit the modules that the first runner imports.
Runner.from_cfg(toy_config(Path(sys.argv[1]) / 'imports', 1))
for phase in range(int(sys.argv[2]) + 1):
    child = os.fork()
    if not child:
        run(Path(sys.argv[1]) / str(phase), phase)
        sys.stdout.flush()
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
PHASES = 9


def is_whole(path: Path | str) -> bool:
    """Whether a file is an undamaged checkpoint."""
    try:
        read_torch_file(path, 'cpu')
    except CheckpointError:
        return False
    return True


def test_process_killed_at_any_phase_of_a_save_leaves_a_checkpoint(tmp_path: Path) -> None:
    environment = {**os.environ, 'PYTHONPATH': os.pathsep.join([str(HERE), os.environ.get('PYTHONPATH', '')])}
    done = subprocess.run(
        [sys.executable, '-c', KILLED, str(tmp_path), str(PHASES)],
        capture_output=True, text=True, cwd=HERE.parent, env=environment,
    )  # fmt: skip
    codes = [int(line) for line in done.stdout.split() if line.lstrip('-').isdigit()]
    assert codes == [-9] * PHASES + [0], done.stderr
    for phase in range(PHASES + 1):
        folder = tmp_path / str(phase)
        newest = newest_checkpoint(folder)
        assert newest is not None
        # Before the renaming, the save has not happened; after it, the save has happened.
        expected = 1 if phase <= 2 else 2
        assert load_checkpoint(newest)['meta']['iter'] == expected
        assert (folder / 'iter_1.pth').exists() == (phase < PHASES)
        assert all(is_whole(path) for path in folder.glob('iter_*.pth'))
    config = toy_config(tmp_path / '0', 2, resume=True, load_from=newest_checkpoint(tmp_path / '0'))
    assert list((tmp_path / '0').glob('*.part'))
    Runner.from_cfg(config).train()
    assert not list((tmp_path / '0').glob('*.part'))
    assert torch.equal(
        *(load_checkpoint(tmp_path / name / 'iter_2.pth')['state_dict']['body.2.weight'] for name in ('0', '9'))
    )


class FullDisk:
    """A file on a disk with a given number of free bytes."""

    def __init__(self, file, room):
        self.file, self.room = file, room

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.file.close()

    def write(self, content):
        self.file.write(content[: self.room])
        if len(content) > self.room:
            raise OSError(errno.ENOSPC, 'No space left on device')

    def __getattr__(self, name):
        return getattr(self.file, name)


def test_full_disk_keeps_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = toy_config(tmp_path / 'run', 2)
    config.default_hooks.checkpoint.max_keep_ckpts = 1

    def full(path, mode):
        file = open(path, mode)  # noqa: SIM115  (closed by its user)
        return FullDisk(file, 100) if 'iter_2' in str(path) else file

    monkeypatch.setattr(saving, 'open', full, raising=False)
    with pytest.raises(
        CheckpointError, match=r'iter_2\.pth could not be written \(No space left on device\).*--resume'
    ):
        Runner.from_cfg(config).train()
    newest = newest_checkpoint(tmp_path / 'run')
    assert newest is not None
    assert load_checkpoint(newest)['meta']['iter'] == 1
    assert sorted(path.name for path in (tmp_path / 'run').glob('*.pth*')) == ['iter_1.pth']


def test_file_size_limit_keeps_the_old_checkpoint(tmp_path: Path) -> None:
    """The process may write at most 64 KiB to a file. Unlike a full disk, every user can set this limit."""
    program = """
import resource
import sys
from rainrestore.engine.saving import write_whole
from rainrestore.errors import CheckpointError
from rainrestore.torch_files import read_torch_file, sealed
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
write_whole(sys.argv[1], b'old')
try:
    write_whole(sys.argv[1], bytes(1 << 20))
except CheckpointError as error:
    print(error)
"""
    words = [sys.executable, '-W', 'ignore', '-c', program, str(tmp_path / 'a.pth')]
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=environment)
    assert 'a.pth could not be written (File too large)' in done.stdout
    assert (tmp_path / 'a.pth').read_bytes() == b'old'
    assert [path.name for path in tmp_path.iterdir()] == ['a.pth']


def test_old_best_checkpoint_is_removed_after_the_new_one_is_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = saving.WholeCheckpointHook(interval=1, by_epoch=False, save_best='PSNR', rule='greater')
    config = toy_config(tmp_path / 'run', 1)
    runner = Runner.from_cfg(config)
    runner.train()
    hook.before_train(runner)
    hook._save_best_checkpoint(runner, {'PSNR': 1.0})
    (old,) = (tmp_path / 'run').glob('best_*.pth')
    runner.train_loop._iter = 2

    def refuse(path, content):
        raise CheckpointError('full')

    with monkeypatch.context() as patch:
        patch.setattr(saving, 'write_whole', refuse)
        with pytest.raises(CheckpointError):
            hook._save_best_checkpoint(runner, {'PSNR': 2.0})
    assert is_whole(old)
    hook.best_ckpt_path = str(old)
    hook._save_best_checkpoint(runner, {'PSNR': 3.0})
    assert [path.name for path in (tmp_path / 'run').glob('best_*.pth')] == ['best_PSNR_iter_2.pth']
    hook._save_best_checkpoint(runner, {'PSNR': 0.0})
    assert hook.best_ckpt_path.endswith('best_PSNR_iter_2.pth')
    assert is_whole(Path(hook.best_ckpt_path))


def test_unknown_metric_is_named() -> None:
    hook = saving.WholeCheckpointHook(interval=1, by_epoch=False, save_best='PSRN', rule='greater')
    with pytest.raises(ConfigError, match=r"save_best: no metric 'PSRN' \(did you mean 'PSNR'\?\); .* PSNR, SSIM$"):
        hook._save_best_checkpoint(None, {'PSNR': 1.0, 'SSIM': 0.5})


def save(path: Path, step: int) -> None:
    """The minimal content for resuming, in the format of the hook."""
    file = io.BytesIO()
    hub = {'log_scalars': {}, 'runtime_info': {}, 'resumed_keys': {}}
    weights = {'a': torch.arange(5000.0)}
    torch.save({'state_dict': weights, 'meta': {'iter': step, 'epoch': 0}, 'message_hub': hub}, file)
    path.write_bytes(sealed(file.getvalue()))


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A work dir with checkpoints of iterations 900 and 1000; the pointer names the latter."""
    for step in (900, 1000):
        save(tmp_path / f'iter_{step}.pth', step)
    write_whole(tmp_path / 'last_checkpoint', str(tmp_path / 'iter_1000.pth').encode())
    return tmp_path


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def garbage(path: Path) -> None:
    path.write_bytes(b'\x80\x02garbage' * 500)


def empty(path: Path) -> None:
    path.write_bytes(b'')


@pytest.mark.parametrize('damage', [cut, flip, garbage, empty])
def test_damaged_checkpoint_is_skipped_with_a_warning(run_dir: Path, damage, monkeypatch) -> None:
    warned = []
    monkeypatch.setattr(saving, '_warn', lambda message, *values: warned.append(message % values))
    damage(run_dir / 'iter_1000.pth')
    assert newest_checkpoint(run_dir) == str(run_dir / 'iter_900.pth')
    assert [str(run_dir / 'iter_1000.pth') in message for message in warned] == [True]
    damage(run_dir / 'iter_900.pth')
    assert newest_checkpoint(run_dir) is None
    assert 'starts from the beginning' in warned[-1]


@pytest.mark.parametrize('damage', [cut, garbage, empty])
def test_explicitly_named_damaged_checkpoint_is_refused(tmp_path: Path, damage) -> None:
    Runner.from_cfg(toy_config(tmp_path, 1)).train()
    damage(tmp_path / 'iter_1.pth')
    with pytest.raises(CheckpointError, match=r'iter_1\.pth is (truncated|damaged)'):
        Runner.from_cfg(toy_config(tmp_path / 'more', 2, resume=True, load_from=str(tmp_path / 'iter_1.pth'))).train()


def test_newest_checkpoint_is_the_pointer_or_a_later_file(run_dir: Path) -> None:
    # files of an earlier, longer run: higher numbers, older than the pointer
    save(run_dir / 'iter_9000.pth', 9000)
    os.utime(run_dir / 'iter_9000.pth', (1, 1))
    assert newest_checkpoint(run_dir) == str(run_dir / 'iter_1000.pth')
    # the process was killed between the checkpoint and the pointer
    save(run_dir / 'iter_1100.pth', 1100)
    later = (run_dir / 'last_checkpoint').stat().st_mtime + 5
    os.utime(run_dir / 'iter_1100.pth', (later, later))
    assert newest_checkpoint(run_dir) == str(run_dir / 'iter_1100.pth')


def test_invalid_and_missing_pointers_are_handled(run_dir: Path) -> None:
    copied = run_dir.rename(run_dir.with_name('copied'))
    assert newest_checkpoint(copied) == str(copied / 'iter_1000.pth')
    (copied / 'iter_1000.pth').unlink()
    assert newest_checkpoint(copied) == str(copied / 'iter_900.pth')
    (copied / 'last_checkpoint').unlink()
    assert newest_checkpoint(copied) == str(copied / 'iter_900.pth')
    assert newest_checkpoint(copied / 'no such run') is None


def mutations(content: bytes, count: int, seed: int) -> Iterator[bytes]:
    """Damaged copies: changed, zeroed, cut, inserted, removed or repeated bytes, at any offset."""
    rng = np.random.default_rng(seed)
    while count:
        at, length = int(rng.integers(len(content))), int(rng.integers(1, 64))
        drawn = rng.integers(0, 256, length, dtype=np.uint8).tobytes()
        flipped = bytes([content[at] ^ (1 << int(rng.integers(8)))])
        changed = [
            content[:at] + flipped + content[at + 1 :],
            content[:at] + drawn + content[at + length :],
            content[:at] + bytes(length) + content[at + length :],
            content[:at],
            content[:at] + drawn + content[at:],
            content[:at] + content[at + length :],
            content[:at] + content[at : at + length] + content[at:],
            # these bytes contain the directory, the end record and the digest
            content[: -length - 1] + bytes([content[-length - 1] ^ 0xFF]) + content[len(content) - length :],
        ][count % 8]
        if changed != content:
            count -= 1
            yield changed


def test_every_damage_at_the_end_is_found(tmp_path: Path) -> None:
    """Each of the last 600 bytes, which contain the zip directory and the digest, is changed to 0xff."""
    save(tmp_path / 'iter_1.pth', 1)
    content = (tmp_path / 'iter_1.pth').read_bytes()
    assert is_whole(tmp_path / 'iter_1.pth')
    for offset in range(len(content) - 600, len(content)):
        (tmp_path / 'a.pth').write_bytes(content[:offset] + b'\xff' + content[offset + 1 :])
        assert not is_whole(tmp_path / 'a.pth'), offset


@pytest.mark.slow
def test_two_thousand_damaged_checkpoints_are_skipped(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saving, '_warn', lambda message, *values: None)
    newest = run_dir / 'iter_1000.pth'
    for changed in mutations(newest.read_bytes(), 2000, seed=2022):
        newest.write_bytes(changed)
        assert newest_checkpoint(run_dir) == str(run_dir / 'iter_900.pth')


@pytest.mark.slow
def test_damage_without_a_digest_raises_only_checkpoint_errors(tmp_path: Path) -> None:
    """A file of plain torch.save has only the checksums of its members. A file that is accepted must have unchanged
    weights.
    """
    weights = {'a': torch.arange(5000.0)}
    torch.save(weights, tmp_path / 'w.pth')
    for changed in mutations((tmp_path / 'w.pth').read_bytes(), 500, seed=7):
        (tmp_path / 'w.pth').write_bytes(changed)
        with contextlib.suppress(CheckpointError):
            assert torch.equal(read_torch_file(tmp_path / 'w.pth')['a'], weights['a'])


def test_file_with_a_digest_is_readable_by_torch(tmp_path: Path) -> None:
    save(tmp_path / 'iter_1.pth', 1)
    for options in ({}, {'mmap': True}):
        held = torch.load(tmp_path / 'iter_1.pth', weights_only=True, **options)
        assert torch.equal(held['state_dict']['a'], torch.arange(5000.0))
    with zipfile.ZipFile(tmp_path / 'iter_1.pth') as archive:
        assert archive.testzip() is None


def test_legacy_format_is_read_and_its_damage_is_refused(tmp_path: Path) -> None:
    path = tmp_path / 'legacy.pth'
    torch.save({'a': torch.arange(5000.0)}, path, _use_new_zipfile_serialization=False)
    assert torch.equal(load_checkpoint(path)['state_dict']['a'], torch.arange(5000.0))
    cut(path)
    with pytest.raises(CheckpointError, match=r'legacy\.pth'):
        load_checkpoint(path)


def test_compressed_archive_is_refused(tmp_path: Path) -> None:
    """torch would unpack it to any size."""
    save(tmp_path / 'plain.pth', 1)
    with (
        zipfile.ZipFile(tmp_path / 'plain.pth') as plain,
        zipfile.ZipFile(tmp_path / 'bomb.pth', 'w', zipfile.ZIP_DEFLATED) as bomb,
    ):
        for name in plain.namelist():
            bomb.writestr(name, plain.read(name))
    with pytest.raises(CheckpointError, match='it is compressed'):
        read_torch_file(tmp_path / 'bomb.pth')
