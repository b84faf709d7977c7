"""The launch scripts train, test and end as described in docs/distributed.md."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import make_face, write_face
from documents import ROOT
from narrow import narrow
from processes import HERE, TIMEOUT, environment, run_command
from toy import toy_config

from rainrestore.checkpoints import load_checkpoint, save_safetensors
from rainrestore.cli.main import main
from rainrestore.engine.config import load_config
from rainrestore.registry import MODELS

TOOLS = ROOT / 'tools'
FACES = 5
RECORDER = '#!/bin/sh\necho "$0 $*" OMP_NUM_THREADS=$OMP_NUM_THREADS\n'
#: Starts the command of srun on one machine, as Slurm does.
SRUN = """#!/bin/sh
export SLURM_NTASKS=2 SLURM_NODELIST=here
while [ "${1#--kill}" = "$1" ]; do shift; done
shift
SLURM_PROCID=0 SLURM_LOCALID=0 "$@" & first=$!
SLURM_PROCID=1 SLURM_LOCALID=1 "$@" & second=$!
wait $first && wait $second
"""


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder of programs that come first in PATH."""
    folder = tmp_path / 'bin'
    folder.mkdir()
    for name, script in dict(python=RECORDER, srun=RECORDER, scontrol='#!/bin/sh\necho 127.0.0.1\n').items():
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)
    return folder


def launched(programs: Path, script: str, *words: str, **settings: str) -> str:
    """The command line of a launch script, without the folders."""
    path = f'{programs}{os.pathsep}{os.environ["PATH"]}'
    settings = {'PATH': path, 'PYTHON': 'python', 'OMP_NUM_THREADS': '', 'NNODES': '', 'PORT': '', **settings}
    done = run_command([str(TOOLS / script), *words], programs, **settings)
    assert done.returncode == 0, done.stderr
    return done.stdout.replace(f'{TOOLS}/', '').replace(f'{programs}/', '')


def test_launch_scripts_have_the_expected_command_lines(programs: Path) -> None:
    share = f'OMP_NUM_THREADS={max(1, len(os.sched_getaffinity(0)) // 2)}'
    assert launched(programs, 'dist_train.sh', 'C.py', '2', '--resume', '--cfg-options', 'a=b c') == (
        'python -m torch.distributed.run --standalone --nproc-per-node 2 train.py C.py --resume --cfg-options a=b c '
        f'--launcher pytorch {share}\n'
    )
    machines = dict(NNODES='3', NODE_RANK='1', MASTER_ADDR='h', PORT='7')
    assert launched(programs, 'dist_test.sh', 'C.py', 'W', '2', '--out', 'o', **machines) == (
        'python -m torch.distributed.run --nnodes 3 --node-rank 1 --master-addr h --master-port 7 --nproc-per-node 2 '
        f'test.py C.py W --out o --launcher pytorch {share}\n'
    )
    some = dict(GPUS='4', SRUN_ARGS='-x a -w b')
    assert launched(programs, 'slurm_train.sh', 'P', 'J', 'C.py', 'D', '--resume', **some) == (
        'srun --partition P --job-name J --ntasks 4 --cpus-per-task 5 --gres gpu:8 --ntasks-per-node 4 '
        '--kill-on-bad-exit=1 -x a -w b python -u train.py C.py --work-dir D --resume --launcher slurm '
        'OMP_NUM_THREADS=5\n'
    )
    assert launched(programs, 'slurm_test.sh', 'P', 'J', 'C.py', 'W', GPUS='2', GPUS_PER_NODE='0') == (
        'srun --partition P --job-name J --ntasks 2 --cpus-per-task 5 --kill-on-bad-exit=1 python -u test.py C.py W '
        '--launcher slurm OMP_NUM_THREADS=5\n'
    )


@pytest.mark.parametrize('script', ['dist_train.sh', 'dist_test.sh', 'slurm_train.sh', 'slurm_test.sh'])
def test_usage_is_printed_without_arguments(tmp_path: Path, script: str) -> None:
    done = run_command([str(TOOLS / script), 'C.py'], tmp_path)
    assert done.returncode == 2
    assert f'usage: tools/{script} ' in done.stderr


def test_invalid_number_of_processes_is_refused(tmp_path: Path) -> None:
    for number in ('two', '0', '-1'):
        done = run_command([str(TOOLS / 'dist_train.sh'), 'C.py', number], tmp_path)
        assert done.returncode == 2
        assert f"not '{number}'" in done.stderr


def test_device_option_is_refused_with_a_launcher(capsys: pytest.CaptureFixture[str]) -> None:
    words = ['test', 'bicubic_x4', 'none', '--device', 'cpu', '--launcher', 'pytorch']
    assert main(words) == 2
    assert '--device is for one process' in capsys.readouterr().err


def test_flexible_runner_trains_and_its_checkpoint_is_resumed(tmp_path: Path) -> None:
    """FSDP needs this runner; the default runner resumes from its checkpoint."""
    config = toy_config(tmp_path / 'run', 2, custom_imports=dict(imports=['toy']))
    config.merge_from_dict(dict(runner_type='FlexibleRunner', env_cfg=dict()))
    config.dump(tmp_path / 'flexible.py')
    words = ['--work-dir', str(tmp_path / 'run')]
    assert main(['train', str(tmp_path / 'flexible.py'), *words]) == 0
    config.merge_from_dict(dict(runner_type='Runner', train_cfg=dict(max_iters=3)))
    config.dump(tmp_path / 'plain.py')
    assert main(['train', str(tmp_path / 'plain.py'), *words, '--resume']) == 0
    assert load_checkpoint(tmp_path / 'run' / 'iter_3.pth')['meta']['iter'] == 3


@pytest.fixture
def narrow_joint(tmp_path: Path) -> tuple[Path, Path, Path]:
    """An odd number of faces, a narrow config of the paper's network, and weights."""
    random = np.random.default_rng(0)
    for index in range(FACES):
        write_face(tmp_path / 'faces' / 'test', f'face_{index}', *make_face(random))
    path = ROOT / 'configs' / 'fcg_gan_x4.py'
    config = tmp_path / 'narrow.py'
    config.write_text(f'_base_ = {str(path)!r}\nmodel = {narrow(load_config(path).model)!r}\n')
    weights = MODELS.build(load_config(config).model).state_dict()
    return tmp_path / 'faces', config, save_safetensors(weights, tmp_path / 'narrow.safetensors')


@pytest.mark.slow
@pytest.mark.parametrize('launcher', ['torchrun', 'slurm'])
def test_two_processes_have_the_scores_of_one(
    tmp_path: Path, narrow_joint: tuple[Path, Path, Path], programs: Path, launcher: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """An odd number of faces, each restored and counted once: metrics, table, sheet and images."""
    pytest.importorskip('mmagic')
    faces, config, weights = map(str, narrow_joint)
    options = ['--data', faces, '--images', '4', '--save-restored']
    assert main(['test', config, weights, *options, '--out', str(tmp_path / 'one')]) == 0
    summaries = [json.loads(capsys.readouterr().out.splitlines()[-1])]
    options += ['--out', str(tmp_path / 'two')]
    if launcher == 'torchrun':
        done = run_command([str(TOOLS / 'dist_test.sh'), config, weights, '2', *options], tmp_path)
    else:
        (programs / 'srun').write_text(SRUN)
        path = f'{programs}{os.pathsep}{os.environ["PATH"]}'
        command = [str(TOOLS / 'slurm_test.sh'), 'any', 'job', config, weights, *options]
        done = run_command(command, tmp_path, PATH=path, GPUS='2', GPUS_PER_NODE='0')
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('per image:') == 1
    summaries.append(json.loads(done.stdout.splitlines()[-1]))
    for summary, name in zip(summaries, ('one', 'two'), strict=True):
        assert summary.pop('out') == str(tmp_path / name)
        assert summary['images'] == FACES
    # up to the rounding of convolutions, whose summation order depends on threads and batch
    scores = [{key: value for key, value in summary.items() if isinstance(value, float)} for summary in summaries]
    assert scores[0] == pytest.approx(scores[1], rel=1e-6)
    assert summaries[0].keys() == summaries[1].keys()
    tables = [(tmp_path / name / 'per_image.csv').read_text().splitlines() for name in ('one', 'two')]
    assert [row.partition(',')[0] for row in tables[0]] == [row.partition(',')[0] for row in tables[1]]
    for one, two in zip(*(table[1:] for table in tables), strict=True):
        first, second = ([float(cell) for cell in row.split(',')[1:]] for row in (one, two))
        assert first == pytest.approx(second, rel=1e-5, abs=1e-6)
    assert len(tables[1]) == 1 + FACES
    files = [
        {path.name: path.read_bytes() for path in (tmp_path / name).rglob('*.png')} for name in ('one', 'two')
    ]  # fmt: skip
    assert files[0] == files[1]
    assert len(files[1]) == FACES + 1
    assert not (tmp_path / '.dist_test').exists()


@pytest.mark.slow
def test_stopped_training_is_saved_and_resumes(tmp_path: Path) -> None:
    """torchrun gets SIGTERM and sends it to both processes."""
    config = toy_config(tmp_path / 'run', 10**6, workers=1, custom_imports=dict(imports=['toy']))
    config.model_wrapper_cfg = dict(type='rainrestore.RestorerDataParallel')
    config.default_hooks.checkpoint.interval = 10**6
    config.log_level = 'INFO'
    config.dump(tmp_path / 'config.py')
    command = [str(TOOLS / 'dist_train.sh'), str(tmp_path / 'config.py'), '2', '--work-dir', str(tmp_path / 'run')]
    process = subprocess.Popen(
        command, env=environment(), cwd=HERE, start_new_session=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    deadline = time.monotonic() + TIMEOUT
    try:
        while process.poll() is None and time.monotonic() < deadline:
            if any(path.stat().st_size for path in (tmp_path / 'run').glob('*/vis_data/scalars.json')):
                break
            time.sleep(0.1)
        os.kill(process.pid, signal.SIGTERM)
        output = process.communicate(timeout=TIMEOUT)[0]
    finally:
        process.kill()
    assert process.returncode == 1, output
    (saved,) = (tmp_path / 'run').glob('iter_*.pth')
    reached = load_checkpoint(saved)['meta']['iter']
    assert f'SIGTERM: stopped after iteration {reached}; saved' in output
    again = ['--resume', '--cfg-options', f'train_cfg.max_iters={reached + 2}', 'default_hooks.checkpoint.interval=1']
    done = run_command([*command, *again], HERE)
    assert done.returncode == 0, done.stdout + done.stderr
    names = sorted(path.name for path in (tmp_path / 'run').glob('iter_*.pth'))
    assert names == sorted(f'iter_{reached + more}.pth' for more in range(3))
    # One process resumes at the data position of two processes: they drew four samples an iteration, it draws two.
    alone = [sys.executable, '-m', 'rainrestore.cli.main', 'train', str(tmp_path / 'config.py'), '--resume']
    more = ['--cfg-options', f'train_cfg.max_iters={reached + 3}']
    done = run_command([*alone, *more], HERE)
    assert done.returncode == 0, done.stdout + done.stderr
    hubs = [load_checkpoint(tmp_path / 'run' / f'iter_{reached + more}.pth')['message_hub'] for more in (2, 3)]
    drawn = [hub['runtime_info']['data_stream']['drawn'] for hub in hubs]
    assert drawn == [4 * (reached + 2), 4 * (reached + 2) + 2]


@pytest.mark.slow
def test_error_in_one_process_ends_all_processes(tmp_path: Path) -> None:
    config = toy_config(tmp_path / 'run', 10**6, custom_imports=dict(imports=['toy']))
    config.model_wrapper_cfg = dict(type='rainrestore.RestorerDataParallel')
    config.train_dataloader.dataset.bad = (0, 1)
    config.dump(tmp_path / 'config.py')
    done = run_command([str(TOOLS / 'dist_train.sh'), str(tmp_path / 'config.py'), '2'], tmp_path)
    assert done.returncode == 1
    assert 'rainrestore: error: iteration ' in done.stderr
    assert 'exitcode  : 2' in done.stderr
