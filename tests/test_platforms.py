"""Training on simulated systems: Python on Windows, process start on macOS, an old terminal."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mmengine.runner import Runner
from test_engine_resume import assert_same_end
from toy import toy_config

from rainrestore.checkpoints import load_checkpoint
from rainrestore.engine.saving import newest_checkpoint

HERE = Path(__file__).parent
ENVIRONMENT = {
    **os.environ,
    'PYTHONPATH': os.pathsep.join([str(HERE.parent), str(HERE), os.environ.get('PYTHONPATH', '')]),
}


def written(folder: Path, iterations: int, workers: int, start: str = 'fork') -> Path:
    """The toy training as a file, with this start method for its workers."""
    config = toy_config(folder / 'run', iterations, workers, custom_imports=dict(imports=['toy']))
    config.env_cfg = dict(mp_cfg=dict(mp_start_method=start))
    config.default_hooks.checkpoint.update(interval=2)
    folder.mkdir(exist_ok=True)
    path = folder / 'config.py'
    config.dump(path)
    return path


def test_training_runs_without_the_functions_that_windows_lacks(tmp_path: Path) -> None:
    """One process trains without workers and with one."""
    folders = tmp_path / '0', tmp_path / '1'
    configs = [str(written(folder, 2, workers, 'spawn')) for workers, folder in enumerate(folders)]
    words = [sys.executable, str(HERE / 'like_windows.py'), 'train', configs[0], 'train', configs[1]]
    done = subprocess.run(words, env=ENVIRONMENT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    Runner.from_cfg(toy_config(tmp_path / 'whole', 2)).train()
    for folder in folders:
        assert_same_end(tmp_path / 'whole', folder / 'run', 2)


@pytest.mark.slow
def test_ctrl_c_without_a_signal_mask_does_not_end_workers(tmp_path: Path) -> None:
    """A terminal sends Ctrl-C to all processes. The workers ignore it; the run saves and resumes exactly."""
    words = [sys.executable, str(HERE / 'like_windows.py'), 'train', str(written(tmp_path, 10**6, 2, 'spawn'))]
    process = subprocess.Popen(
        words, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    try:
        while process.poll() is None and not (tmp_path / 'run' / 'last_checkpoint').exists():
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        output = process.communicate(timeout=300)[0]
    finally:
        process.kill()
    assert process.returncode == 130, output
    assert 'Traceback' not in output
    newest = newest_checkpoint(tmp_path / 'run')
    assert newest is not None
    last = load_checkpoint(newest)['meta']['iter']
    Runner.from_cfg(toy_config(tmp_path / 'whole', last)).train()
    assert_same_end(tmp_path / 'whole', tmp_path / 'run', last)


@pytest.mark.slow
def test_spawned_and_forked_workers_give_equal_weights(tmp_path: Path) -> None:
    """macOS and Windows spawn their workers; Linux forks them."""
    words = [sys.executable, '-m', 'rainrestore.cli.main', 'train', str(written(tmp_path, 4, 2, 'spawn'))]
    done = subprocess.run(words, env=ENVIRONMENT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    Runner.from_cfg(toy_config(tmp_path / 'whole', 4)).train()
    assert_same_end(tmp_path / 'whole', tmp_path / 'run', 4)


def test_path_beyond_the_character_set_of_the_terminal_is_escaped(tmp_path: Path) -> None:
    """Code page 1252 has no Cyrillic letters. A path with such letters is printed with escapes and raises no error."""
    (tmp_path / 'лицо.py').write_text("name = 'лицо'\n", encoding='utf-8')
    words = [sys.executable, '-m', 'rainrestore.cli.main', 'config', str(tmp_path / 'лицо.py')]
    environment = {**ENVIRONMENT, 'PYTHONIOENCODING': 'cp1252', 'PYTHONUTF8': '0'}
    done = subprocess.run(words, env=environment, capture_output=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert rb'\u043b\u0438\u0446\u043e' in done.stdout
