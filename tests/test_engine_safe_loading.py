"""Loading never runs code, and no file name leads out of the output folder."""

import os
import pickle
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModule
from mmengine.runner import Runner
from mmengine.runner.checkpoint import CheckpointLoader
from safetensors.torch import save_file
from toy import toy_config

from rainrestore.checkpoints import load_checkpoint
from rainrestore.cli.main import main
from rainrestore.errors import CheckpointError, ConfigError
from rainrestore.files import file_inside
from rainrestore.visualization import RestoredImagesHook

ROOT = Path(__file__).parents[1]


class Payload:
    """Makes a folder when it is unpickled without checks."""

    def __init__(self, marker: Path) -> None:
        self.marker = str(marker)

    def __reduce__(self):
        return os.mkdir, (self.marker,)


class Call:
    """Unpickles as the result of a call."""

    def __init__(self, function, *arguments) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def pretrained(path: str) -> None:
    module = BaseModule({'type': 'Pretrained', 'checkpoint': path})
    module.layer = torch.nn.Linear(1, 1)
    module.init_weights()


def train(path: str, resume: bool) -> None:
    work_dir = Path(path).parent / f'run_{resume}'
    Runner.from_cfg(toy_config(work_dir, 2, resume=resume, load_from=path)).train()


WAYS = {
    'load_checkpoint': load_checkpoint,
    'mmengine': lambda path: CheckpointLoader.load_checkpoint(path, logger='silent'),
    'init_cfg': pretrained,
    'load_from': lambda path: train(path, False),
    'resume': lambda path: train(path, True),
}


@pytest.mark.parametrize('way', WAYS)
def test_malicious_pickle_is_refused_and_not_run(tmp_path: Path, way: str) -> None:
    marker = tmp_path / 'marker'
    torch.save({'state_dict': {}, 'meta': {'iter': 1, 'epoch': 0}, 'x': Payload(marker)}, tmp_path / 'evil.pth')
    with pytest.raises(CheckpointError, match=r'evil\.pth is damaged, or contains objects that could run code'):
        WAYS[way](str(tmp_path / 'evil.pth'))
    assert not marker.exists()
    torch.load(tmp_path / 'evil.pth', weights_only=False)
    assert marker.exists()  # the attack works without the protection


def test_bare_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    (tmp_path / 'evil.pth').write_bytes(pickle.dumps(Payload(tmp_path / 'marker')))
    with pytest.raises(CheckpointError):
        load_checkpoint(tmp_path / 'evil.pth')
    assert not (tmp_path / 'marker').exists()


def test_unchecked_fallback_of_the_fork_is_replaced(tmp_path: Path) -> None:
    """A fork of mmengine reads refused files again without ``weights_only``. The test adds this function to upstream
    mmengine.
    """
    torch.save(Payload(tmp_path / 'marker'), tmp_path / 'evil.pth')
    program = """
import sys
import torch
import mmengine.runner.checkpoint as theirs
theirs._safe_torch_load = lambda file, *rest, **options: torch.load(file, weights_only=False)
from rainrestore.errors import CheckpointError
import rainrestore.checkpoints
try:
    theirs._safe_torch_load(sys.argv[1])
except CheckpointError:
    print('refused')
"""
    words = [sys.executable, '-W', 'ignore', '-c', program, str(tmp_path / 'evil.pth')]
    environment = {**os.environ, 'PYTHONPATH': os.pathsep.join([str(ROOT), str(ROOT / 'tests')])}
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == 'refused'
    assert not (tmp_path / 'marker').exists()


@pytest.mark.parametrize('name', ['__init__', '__class__', '_set_default_statistics'])
def test_types_of_mmengine_give_no_access_to_attributes(tmp_path: Path, name: str) -> None:
    """getattr(HistoryBuffer, '__init__').__globals__ would lead to any code."""
    torch.save({'state_dict': {'a': Call(getattr, HistoryBuffer, name)}}, tmp_path / 'evil.pth')
    with pytest.raises(CheckpointError, match='refused'):
        load_checkpoint(tmp_path / 'evil.pth')


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_config_text_of_a_checkpoint_is_not_executed(tmp_path: Path, suffix: str) -> None:
    marker, path = tmp_path / 'marker', tmp_path / f'evil{suffix}'
    text = f'import os\nos.mkdir({str(marker)!r})\ngpu_ids = []\n'
    Runner.from_cfg(toy_config(tmp_path / 'run', 1)).train()
    if suffix == '.pth':
        checkpoint = torch.load(tmp_path / 'run' / 'iter_1.pth', weights_only=False)
        checkpoint['meta']['config'] = text
        torch.save(checkpoint, path)
        train(str(path), resume=True)
    else:
        save_file({'body.2.bias': torch.zeros(2)}, path, {'iter': '1', 'epoch': '0', 'config': text})
        with pytest.raises(CheckpointError, match='load_from'):
            train(str(path), resume=True)
    assert not marker.exists()


def test_command_refuses_the_file_with_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({'state_dict': {}, 'x': Payload(tmp_path / 'marker')}, tmp_path / 'evil.pth')
    pytest.importorskip('mmagic')
    command = ['test', str(ROOT / 'configs' / 'hrrm_x4.py'), str(tmp_path / 'evil.pth'), '--out', str(tmp_path / 'out')]
    assert main(command) == 2
    assert 'evil.pth is damaged, or contains objects that could run code' in capsys.readouterr().err
    assert not (tmp_path / 'marker').exists()


@pytest.mark.parametrize('name', ['../out.png', '/out.png', 'a/../../out.png', 'a\\b.png', '..', '', 'a\0.png'])
def test_names_outside_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match='is not a file name'):
        file_inside(tmp_path, name)


def test_restored_images_stay_in_their_folder(tmp_path: Path) -> None:
    hook = RestoredImagesHook(str(tmp_path / 'out'))
    hook.before_test_epoch(None)

    class Output(SimpleNamespace):
        def __contains__(self, key: str) -> bool:
            return hasattr(self, key)

    def write(name: str) -> None:
        sample = SimpleNamespace(name=name, output=Output(pred_img=torch.zeros(3, 2, 2)))
        hook.after_test_iter(None, 0, outputs=[sample])

    write('..name with dots..')
    with pytest.raises(ConfigError):
        write('../escaped')
    assert [path.name for path in tmp_path.rglob('*.png')] == ['..name with dots...png']
