"""Run the commands of the documentation in a folder with substitutes for the files that the pages assume.

The substitute for an image is a portrait, for weights untrained weights of the network in the command, for logs and
tables a few lines. Commands run unchanged in this process, but training uses two faces, two iterations and narrow
networks, and testing two faces.
"""

import json
import os
import re
import runpy
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from conftest import write_faces, write_release
from documents import ROOT, Block, Command, blocks
from mmengine.config import Config
from narrow import narrow
from PIL import Image

from rainrestore.apis.export import export
from rainrestore.benchmark.scenes import dead_leaves
from rainrestore.checkpoints import save_safetensors
from rainrestore.cli.main import main
from rainrestore.engine import config as engine_config
from rainrestore.evaluation.metrics import write_csv
from rainrestore.image_io import write_png
from rainrestore.physics import RAIN_RANGES, draw_scene, quantise, seeded_rng
from rainrestore.registry import MODELS

PORTRAIT = ROOT / 'data' / 'portraits128' / 'test' / 'img' / 'test_0000.jpg'
#: Folders of the repository that a page assumes in the working directory.
OURS = ('configs', 'benchmarks', 'tools', 'requirements')
OUTPUT_OPTIONS = ('-o', '--out', '--output', '--work-dir', '--zoo')
IMAGES = ('.png', '.jpg', '.jpeg', '.webp', '.bmp', '.tif')
VIDEOS = ('.mp4', '.avi', '.mkv', '.mov')

_load_config = engine_config.load_config


def short(
    path: str | Path,
    options: Mapping[str, Any] | None = None,
    data_root: str | Path | None = None,
    more_data: Sequence[str] = (),
) -> Config:
    """Like ``load_config``, for a training of seconds."""
    config = _load_config(path, options, data_root, more_data)
    zoo = str(config.get('load_from')).startswith('rainrestore:')  # networks that keep their width
    changes: dict[str, Any] = {} if zoo else {'model': narrow(config.model)}
    for name, batch, faces in (('train', 2, 2), ('val', 1, 1), ('test', 2, 2)):
        if config.get(f'{name}_dataloader'):
            dataset: dict[str, Any] = dict(limit=faces)
            if parts := config[f'{name}_dataloader'].dataset.get('datasets'):
                dataset = dict(datasets={str(index): dataset for index in range(len(parts))})
            loader = dict(batch_size=batch, num_workers=0, persistent_workers=False, dataset=dataset)
            changes[f'{name}_dataloader'] = loader
    if config.get('train_cfg'):
        changes['train_cfg'] = dict(max_iters=2, val_interval=2)
    config.merge_from_dict(changes)
    return config


def few(path: str | Path, options: Mapping[str, Any] | None = None, data_root: str | Path | None = None) -> Config:
    """Like ``load_config``, for a test of two faces with the full network."""
    config = _load_config(path, options, data_root)
    config.merge_from_dict(dict(test_dataloader=dict(batch_size=2, num_workers=0, dataset=dict(limit=2))))
    return config


#: Subcommand -> options for a short run; a later option overrides the same option before it.
FEW: dict[str, list[str]] = {'benchmark': ['--faces', '4', '--batch', '2'], 'install': ['--dry-run']}
#: Subcommand -> how it reads configs.
LOADERS = {'train': short, 'benchmark': short, 'test': few}
#: Benchmark -> the method and the task that replace all others. Other benchmarks train nothing.
METHOD = {
    'table1': ['--methods', 'srgan'],
    'renovation': ['--methods', 'hifacegan', '--tasks', 'noise'],
    'mine/my_table.py': ['--methods', 'my_net'],
    'plus': ['--methods', 'residual'],
    'rain_removal': ['--methods', 'inverse'],
}


class Reader:
    """Runs commands in ``folder``, which becomes the working directory."""

    def __init__(self, folder: Path, page: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.monkeypatch = monkeypatch
        monkeypatch.chdir(folder)
        for name in OURS:
            (folder / name).symlink_to(ROOT / name)
        (folder / 'data').mkdir()
        (folder / 'data' / 'portraits128').symlink_to(ROOT / 'data' / 'portraits128')
        for name in ('still.png', 'a.png', 'b.png', 'stills/gate/7.jpg'):
            image(folder / name, [])
        # Files from the code of other pages, such as a custom network.
        for block in sorted(blocks(), key=lambda block: block.page == page):
            if block.file and block.language == 'python':
                self.save(block)

    def save(self, block: Block) -> Path:
        """Write a block to the file that the page names."""
        path = self.folder / str(block.file)
        self.copy(path.relative_to(self.folder).parts[0])  # a page may have the reader write a config next to ours
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding='utf-8')
        return path

    def copy(self, name: str) -> None:
        """Replace the link to one of our folders by a copy."""
        folder = self.folder / name
        if folder.is_symlink():
            folder.unlink()
            shutil.copytree(ROOT / name, folder, ignore=shutil.ignore_patterns('__pycache__'))

    def type(self, command: Command) -> int:
        """Run a command of ``rainrestore`` or a script in tools/; returns its exit code."""
        words = [self._local(word) for word in command.words]
        name = command.subcommand()
        assert name is not None
        tests_only = name == 'benchmark' and (words[2] not in METHOD or '--zoo' in words)
        if loader := few if tests_only else LOADERS.get(name):
            for module in ('engine.config', 'benchmark.runs', 'engine.testing'):
                self.monkeypatch.setattr(f'rainrestore.{module}.load_config', loader)
        self.set_environment(command)
        self.stand_in(words)
        words += [] if '--zoo' in words else FEW.get(name, [])
        if name == 'benchmark':
            words += METHOD.get(words[2], [])
        if name.startswith('publish') and '--zoo' not in words:
            words[3] = f'own_{words[3]}'  # a custom zoo does not use names of the package
            words += ['--zoo', 'zoo']  # instead of the zoo of this repository
        if words[0] == 'rainrestore':
            return main(words[1:])
        for name in OURS:  # a script finds, and may write, the files beside it
            self.copy(name)
        self.monkeypatch.setattr(sys, 'argv', words[1:])
        try:
            runpy.run_path(words[1], run_name='__main__')
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    def set_environment(self, command: Command) -> None:
        """Set the environment variables of the command."""
        for variable, value in command.environment.items():
            if variable == 'PYTHONPATH':
                self.monkeypatch.syspath_prepend(self.folder / value)
                # for the processes that the command starts, in which the package may not be installed
                value = os.pathsep.join((value, str(ROOT)))
            self.monkeypatch.setenv(variable, value)

    def _local(self, word: str) -> str:
        """Folders outside the reader's folder become folders in it."""
        return re.sub(r'(^|=)/path/to/', rf'\1{self.folder}/path/to/', word)

    def stand_in(self, words: Sequence[str]) -> None:
        """Make substitutes for missing input files of the command."""
        after = dict(zip(words[1:], words, strict=False))
        # configs first, because weights are made for them
        for word in sorted(words, key=lambda word: not word.endswith('.py')):
            value = word.rpartition('=')[2]
            if after.get(word) in OUTPUT_OPTIONS or value.startswith(('-', 'rainrestore:')) or os.path.exists(value):
                continue
            for pattern, make in STAND_INS:
                if re.fullmatch(pattern, value):
                    path = Path(value)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    make(path, words)
                    break


def bundled() -> dict[Path, tuple[int, int]]:
    """The files of the repository that a command might overwrite, with their times and sizes."""
    names = ('rainrestore/assets', 'configs', 'benchmarks', 'data', 'docs/images')
    folders = [ROOT / name for name in names]
    files = [path for folder in folders for path in folder.rglob('*') if path.suffix != '.pyc' and path.is_file()]
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in files}


@cache
def rainy_portrait() -> np.ndarray:
    """A portrait in rain, 128 x 128 x 3 uint8 RGB. A dry face would not be changed."""
    dry = np.asarray(Image.open(PORTRAIT).convert('RGB').resize((128, 128)), np.float32) / np.float32(255)
    return quantise(draw_scene(dry, RAIN_RANGES['rain_v1'], seeded_rng(0, 'video'), face_side=128).I)


def image(path: Path, words: Sequence[str]) -> None:
    """A portrait in rain."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rainy_portrait()).save(path)


def images(path: Path, words: Sequence[str]) -> None:
    """A folder with one portrait in rain, or with one dry scene as a background."""
    if '--backgrounds' in words:
        write_png(path / 'scene.png', dead_leaves(192, 0))
    else:
        image(path / 'portrait.png', words)


def video(path: Path, words: Sequence[str]) -> None:
    """Three images of a portrait in rain."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), 5, (128, 128))
    for _ in range(3):
        writer.write(rainy_portrait()[..., ::-1])
    writer.release()


def faces(path: Path, words: Sequence[str]) -> None:
    """A folder of drawn faces, {train,val,test}/{img,mask}; empty if the converter makes it."""
    if any(word.endswith('celebamask_hq.py') for word in words):
        return
    write_faces(path)


def large_faces(path: Path, words: Sequence[str]) -> None:
    """Drawn faces of 512 pixels."""
    for file in [*write_faces(path).glob('*/img/*'), *path.glob('*/mask/*')]:
        Image.open(file).resize((512, 512), Image.Resampling.NEAREST).save(file)


def raindrops(path: Path, words: Sequence[str]) -> None:
    """Two pairs in the layout of the Raindrop set; empty if the converter makes them."""
    if path.name == 'raindrop256' and any(word.endswith('raindrop.py') for word in words):
        return
    for split in ('train', 'test_a'):
        for folder, end in (('data', 'rain'), ('gt', 'clean')):
            for number in range(2):
                file = path / split / folder / f'{number}_{end}.png'
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.new('RGB', (264, 260), (90, 200 * number, 40)).save(file)


def unlabelled(path: Path, words: Sequence[str]) -> None:
    """Faces without masks."""
    for masks in write_faces(path).glob('*/mask'):
        shutil.rmtree(masks)


def release(path: Path, words: Sequence[str]) -> None:
    """Six faces in the layout of the official release."""
    write_release(path)


def config(path: Path, words: Sequence[str]) -> None:
    """A config of the reader."""
    path.write_text(f"_base_ = '{ROOT / 'configs/fcg_gan_x4.py'}'\n", encoding='utf-8')


def weights(path: Path, words: Sequence[str]) -> None:
    """A checkpoint of a run of two iterations for resuming; otherwise untrained weights of the config's network."""
    from rainrestore.registry import MODELS

    configs = [word for word in words if word.endswith('.py') and not word.startswith('tools/')]
    name = (configs or ['configs/fcg_gan_x4.py'])[0]
    if '--resume' in words:
        assert main(['train', name, '--work-dir', str(path.parent)]) == 0
        shutil.move(path.parent / 'iter_2.pth', path)
        return
    model = MODELS.build(engine_config.load_config(name).model)
    torch.save({'state_dict': model.state_dict(), 'meta': {}}, path)
    if '--log' in words:
        log(path.parent, words)


def log(path: Path, words: Sequence[str]) -> None:
    """The work dir of a run, with the values that the command needs."""
    keys = [word for word in words if re.fullmatch(r'(loss|psnr|accuracy)_\w+|PSNR\w*|SSIM\w*', word)]
    lines = [json.dumps({**dict.fromkeys(keys, 1.0 / step), 'iter': step, 'step': step}) for step in (10, 20)]
    (path / 'vis_data').mkdir(parents=True)
    (path / 'vis_data' / 'scalars.json').write_text('\n'.join(lines), encoding='utf-8')


def table(path: Path, words: Sequence[str]) -> None:
    """The values of three faces."""
    rng = np.random.default_rng(len(str(path)))
    write_csv(path, ['PSNR', 'SSIM'], [(f'face_{index}', rng.uniform(0.1, 0.9, 2).tolist()) for index in range(3)])


def marked_faces(path: Path, words: Sequence[str]) -> None:
    """The position of the face of a portrait, for all images and videos of the preceding words."""
    sources = [Path(word) for word in words if not word.startswith('-') and Path(word).exists()]
    files = [file for source in sources for file in ([source] if source.is_file() else sorted(source.iterdir()))]
    rows = [f'{file},25,40,100,116' for file in files]
    path.write_text('\n'.join(['file,left,top,right,bottom', *rows]), encoding='utf-8')


def suffixes(names: Sequence[str]) -> str:
    return r'[^*]+(' + '|'.join(map(re.escape, names)) + ')'


def exported(path: Path, words: Sequence[str]) -> None:
    """A narrow, untrained network in one file."""
    if path.suffix == '.onnx':
        pytest.importorskip('onnxruntime')
        pytest.importorskip('onnxscript')
    base, own = ROOT / 'configs' / 'srgan' / 'srgan_x4.py', path.with_name('exported.py')
    own.write_text(f"_base_ = '{base}'\nmodel = {narrow(_load_config(base).model)!r}\n", encoding='utf-8')
    state = MODELS.build(_load_config(own).model).state_dict()
    saved = save_safetensors(state, path.with_suffix('.safetensors'))
    export(own, path, 'onnx' if path.suffix == '.onnx' else 'torchscript', saved)


#: Pattern of an argument -> the function that makes a substitute for the file or folder.
STAND_INS: list[tuple[str, Callable[[Path, Sequence[str]], None]]] = [
    (r'.*/CelebAMask-HQ', release),
    (r'.*/faces|data/(celebamask128|aaf128|scenes)', faces),
    (r'.*/faces512', large_faces),
    (r'.*/raindrop|data/raindrop256', raindrops),
    (r'.*/unlabelled', unlabelled),
    (r'my_config\.py', config),
    (r'.+\.pth', weights),
    (r'.+\.(pt|onnx)', exported),
    (r'.+/per_image\.csv', table),
    (r'\w+\.csv', marked_faces),
    (r'work_dirs/[\w/]+', log),
    (suffixes(IMAGES), image),
    (suffixes(VIDEOS), video),
    (r'[\w/]+/|results/[\w/]+', images),
]
