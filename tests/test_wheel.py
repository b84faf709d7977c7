"""An installed wheel works without the clone: every command, in an empty folder, with configs by name."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest
from conftest import write_faces
from narrow import narrow

from rainrestore.apis import Restorer
from rainrestore.cli.main import SUBCOMMANDS
from rainrestore.engine.config import load_config
from rainrestore.image_io import read_image

ROOT = Path(__file__).resolve().parents[1]
#: The inputs of the build, as in a source distribution.
SOURCES = (
    'rainrestore',
    'configs',
    'benchmarks',
    'setup.py',
    'pyproject.toml',
    'README.md',
    'LICENSE',
    'model-index.yml',
)
LOADERS = [f'{name}_dataloader.{option}' for name in ('train', 'val', 'test')
           for option in ('num_workers=0', 'persistent_workers=False')]  # fmt: skip
MINE = """
_base_ = 'rainrestore::srgan_x4'
model = {model!r}
train_dataloader = dict(batch_size=2)
train_cfg = dict(max_iters=2, val_interval=2)
"""


class Installation:
    """An environment with this package from a wheel, with the installed dependencies, and without the clone."""

    def __init__(self, root: Path) -> None:
        source, wheels, self.environment = root / 'source', root / 'wheels', root / 'venv'
        ignore = shutil.ignore_patterns('__pycache__', '*.pyc')
        for name in SOURCES:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, source / name, ignore=ignore)
            else:
                shutil.copy(ROOT / name, source / name)
        offline = ('--quiet', '--no-deps', '--no-index')
        self._pip('wheel', *offline, '--no-build-isolation', '--wheel-dir', wheels, source)
        shutil.rmtree(source)
        subprocess.run([sys.executable, '-m', 'venv', '--without-pip', self.environment], check=True)
        self._pip('--python', self.environment / 'bin' / 'python', 'install', *offline, *wheels.iterdir())
        # A folder named in a .pth file is searched last, and .pth files in it, such as that of an editable install, are
        # ignored.
        (site_packages,) = self.environment.glob('lib/python*/site-packages')
        (site_packages / 'below.pth').write_text(sysconfig.get_path('purelib'), encoding='utf-8')
        self.package = site_packages / 'rainrestore'
        self.folder = root / 'empty'
        self.folder.mkdir()

    @staticmethod
    def _pip(*words: object) -> None:
        subprocess.run([sys.executable, '-m', 'pip', *map(str, words)], check=True, capture_output=True)

    def run(self, *words: object, code: int = 0, **environment: str) -> str:
        """Run a command in the empty folder; returns its output, errors last."""
        kept = {name: os.environ[name] for name in ('PATH', 'LANG') if name in os.environ}
        ended = subprocess.run(
            [self.environment / 'bin' / 'rainrestore', *map(str, words)],
            cwd=self.folder, env={**kept, 'OMP_NUM_THREADS': '1', 'HOME': str(self.folder), **environment},
            text=True, capture_output=True,
        )  # fmt: skip
        printed = ended.stdout + ended.stderr
        assert ended.returncode == code, printed
        assert 'Traceback' not in printed
        assert str(ROOT) not in printed
        return printed


@pytest.fixture(scope='module')
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return Installation(tmp_path_factory.mktemp('wheel'))


@pytest.fixture(scope='module')
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_faces(tmp_path_factory.mktemp('data') / 'faces')


def last_line(printed: str) -> dict:
    return json.loads(next(line for line in reversed(printed.splitlines()) if line.startswith('{')))


@pytest.mark.slow
def test_wheel_has_every_config_and_only_the_stated_weights(installed: Installation) -> None:
    for folder in ('configs', 'benchmarks'):
        found = {path.relative_to(installed.package) for path in (installed.package / folder).rglob('*.py')}
        assert found == {path.relative_to(ROOT) for path in (ROOT / folder).rglob('*.py')}
    assert not (installed.package / 'assets' / 'zoo' / 'srgan_x4.safetensors').exists()


@pytest.mark.slow
def test_help_of_every_command_names_no_file_of_the_clone(installed: Installation) -> None:
    for command in SUBCOMMANDS:
        text = installed.run(command, '--help')
        assert not re.search(r'\b(docs|tools|tests)/[\w./]+(?! in a clone)', text.replace('tools/install.py', '')), text


@pytest.mark.slow
def test_configs_are_found_by_name(installed: Installation, faces: Path) -> None:
    assert 'srgan_x4_stage1_mse' in installed.run('config')
    printed = installed.run('config', 'srgan_x4')
    assert "type='SRResNetTrunk'" in printed
    installed.run('config', 'configs/srgan/srgan_x4.py', '-o', 'my_srgan.py')
    assert (installed.folder / 'my_srgan.py').read_text().strip() == printed.strip()
    assert 'exists already' in installed.run('config', 'srgan_x4', '-o', 'my_srgan.py', code=2)
    assert "(did you mean 'configs/srgan/srgan_x4.py'?)" in installed.run('config', 'configs/srgan_x4.py', code=2)
    assert "did you mean 'srgan_x4'" in installed.run('get_flops', 'srgan_4x', code=2)
    assert last_line(installed.run('get_flops', 'fcg_gan_x4'))['parameters'] > 1e6
    installed.run('browse', 'fcg_gan_x4', '--data', faces, '--out', 'fed.png')
    assert (installed.folder / 'fed.png').is_file()


@pytest.mark.slow
def test_train_resume_test_publish_and_export_work(installed: Installation, faces: Path) -> None:
    mine = MINE.format(model=narrow(load_config('srgan_x4').model))
    (installed.folder / 'mine.py').write_text(mine, encoding='utf-8')
    words = ['train', 'mine.py', '--data', faces, '--cfg-options', *LOADERS]
    installed.run(*words)
    run = installed.folder / 'work_dirs' / 'mine'
    assert (run / 'iter_2.pth').is_file()
    installed.run(*words, 'train_cfg.max_iters=3', '--resume')
    assert (run / 'iter_3.pth').is_file()
    for name, config, weights in (
        ('a', 'mine.py', run / 'iter_3.pth'),
        ('b', 'configs/fcg_gan_x4.py', 'rainrestore://fcg_gan_x4'),
    ):
        words = ['test', config, weights, '--data', faces, '--out', name, '--cfg-options', *LOADERS[-2:]]
        assert last_line(installed.run(*words))['images'] == 3
    installed.run('compare', 'a/per_image.csv', 'b/per_image.csv')
    installed.run('analyze_logs', 'work_dirs/mine', '--keys', 'loss_pixel', '--out', 'curve.png')
    installed.run('publish', run / 'iter_3.pth', 'mine', '--config', 'mine.py', '--zoo', 'zoo', '--licence', 'CC0-1.0')
    installed.run('export', 'fcg_gan_x4', '--format', 'torchscript', '-o', 'exported.pt')


@pytest.mark.slow
def test_restored_face_equals_that_of_the_clone(installed: Installation, faces: Path) -> None:
    installed.run('synthesize', faces / 'test' / 'img', '-o', 'rainy')
    rainy = next((installed.folder / 'rainy').rglob('I/*.png'))
    installed.run('restore', rainy, '--aligned', '-o', 'restored', '--device', 'cpu')
    restored = read_image(next((installed.folder / 'restored').rglob(rainy.name)))
    expected = Restorer(device='cpu')(read_image(rainy))
    assert np.abs(restored.astype(int) - expected).max() <= 1


@pytest.mark.slow
def test_benchmark_is_found_by_name(installed: Installation, faces: Path) -> None:
    words = ['benchmark', 'table1', '--methods', 'bicubic', 'stretch', '--data', faces, '--out', 'table']
    assert Path(installed.folder, last_line(installed.run(*words))['table']).is_file()
    error = installed.run('benchmark', 'table2', code=2)
    assert "did you mean 'table1'" in error
    installed.run('benchmark', 'raindrops', '--methods', 'raindrops', '--data', faces, '--out', 'drops')


@pytest.mark.slow
def test_error_for_missing_data_of_a_wheel_is_one_line(installed: Installation, faces: Path) -> None:
    portrait = next((faces / 'test' / 'img').iterdir())
    lacking = 'rainrestore/assets/zoo: set RAINRESTORE_ZOO_URL'
    for words in (
        ['test', 'srgan_x4', 'rainrestore://srgan_x4', '--data', faces],
        ['restore', portrait, '--aligned', '--model', 'srgan_x4', '-o', 'out'],
        ['zoo', 'download', 'srgan_x4'],
        ['mixed_guidance', 'hifacegan_128', 'rainrestore://hifacegan_rain_x4', portrait],
        ['test', 'configs/fcg_gan/fcg_gan_plus_x4.py', 'rainrestore://fcg_gan_plus_x4', '--data', faces],
    ):
        error = installed.run(*words, code=2)
        assert lacking in error.splitlines()[-1]
    for words in (['train', 'fcg_gan_x4'], ['test', 'bicubic_x4', 'none'], ['browse', 'fcg_gan_x4']):
        assert 'the bundled faces' in installed.run(*words, code=2).splitlines()[-1]
    # the variable of the message makes the download work
    installed.run('zoo', 'download', 'srgan_x4', RAINRESTORE_ZOO_URL=(ROOT / 'rainrestore/assets/zoo').as_uri())
    assert 'srgan_x4' in installed.run('zoo', 'list')
    installed.run('zoo', 'show', 'fcg_gan_x4')
    installed.run('doctor')
