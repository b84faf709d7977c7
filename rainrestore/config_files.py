"""Find config files by name, and choose the default work dir of a config."""

import ast
import os
import re
import shutil
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path, PurePath

from mmengine.config import Config
from mmengine.utils import import_modules_from_strings

from rainrestore.errors import CheckpointError, ConfigError
from rainrestore.files import make_folder
from rainrestore.suggest import did_you_mean

PACKAGE = Path(__file__).resolve().parent
#: Exceptions that the Python code of a config may raise.
_FAULTS_OF_A_FILE = (
    *(ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, NameError, OSError, RuntimeError),
    *(SyntaxError, TypeError, ValueError),
)
#: The suffix that mmengine's Runner adds to the stem of the config in the experiment name.
_STARTED = re.compile(r'_?\d{8}_\d{6}$')


def package_folder(name: str) -> Path:
    """The folder ``configs`` or ``benchmarks`` of this package.

    In an installed package it is inside the package folder (setup.py copies it); in a clone, beside the package folder.

    Raises:
        ConfigError: The folder is missing.
    """
    # Inside first: site-packages may contain a folder configs/ of another package.
    for root in (PACKAGE, PACKAGE.parent):
        if (root / name).is_dir():
            return root / name
    raise ConfigError(f'the folder {name}/ of the package is missing; install rainrestore again')


@cache
def _stems(folder: Path) -> dict[str, Path]:
    """Name -> file of every config or benchmark in a folder, without the files in ``_base_``."""
    files = sorted(folder.rglob('*.py'))
    return {path.stem: path for path in files if path.relative_to(folder).parts[0] != '_base_'}


def packaged_files(kind: str = 'configs') -> dict[str, Path]:
    """Name -> file of the configs or the benchmarks of this package."""
    return _stems(package_folder(kind))


def find_file(name: str | Path, kind: str = 'configs') -> Path:
    """Find a config or a benchmark by path or by name, independently of the working directory.

    Args:
        name: The path of a file. If it does not exist: the name of a file of the package (``srgan_x4``), or its path
            from the folder above ``configs`` (``configs/srgan/srgan_x4.py``), with or without suffix.
        kind: ``configs`` or ``benchmarks``.

    Raises:
        ConfigError: There is no such file; the message has the nearest name.
    """
    path = Path(name)
    if os.path.isfile(path):
        return path
    packaged = _packaged(path, kind)
    if packaged is None:
        raise ConfigError(f'{name}: no such {kind[:-1]}{_hint(path, kind)}')
    return packaged


def is_benchmark(name: str | Path) -> bool:
    """Whether :func:`find_file` finds this name only among the benchmarks of this package."""
    path = Path(name)
    return not os.path.isfile(path) and _packaged(path, 'configs') is None and _packaged(path, 'benchmarks') is not None


def bundled_config(name: str) -> Path:
    """The package's file of a config in the index of the zoo, such as ``configs/fcg_gan_x4.py``.

    Files of the working directory are not considered.

    Raises:
        ConfigError: The package has no such config.
    """
    path = _packaged(Path(name), 'configs')
    if path is None:
        raise ConfigError(f'{name}: this config of the zoo is missing; install rainrestore again')
    return path


def _packaged(path: Path, kind: str) -> Path | None:
    """The package's file of a name or of a path such as ``configs/fcg_gan_x4.py``; None if there is none.

    The suffix may be omitted.
    """
    if len(path.parts) == 1 and path.suffix in ('', '.py'):
        return packaged_files(kind).get(path.stem)
    if path.parts[:1] != (kind,) or '..' in path.parts:
        return None
    file = package_folder(kind).joinpath(*path.parts[1:])
    file = file if file.suffix else file.with_suffix('.py')
    return file if file.is_file() else None


_path_of_base = Config._get_cfg_path


def _find_base(name: str, config: str) -> tuple[str, str | None]:
    """The file of a ``_base_`` and its scope; replaces mmengine's ``Config._get_cfg_path``.

    mmengine supports ``package::folder/file.py`` only for its own packages. Here ``rainrestore::NAME`` is a config of
    this package, by its name or its path below ``configs``, and ``rainrestore::benchmarks/NAME`` a benchmark.
    """
    if not isinstance(name, str):
        raise ConfigError(f'{config}: _base_: {name!r} is not the path or the name of a config')
    package, separator, below = name.partition('::')
    if package != PACKAGE.name or not separator:
        return _path_of_base(name, config)
    kind = 'benchmarks' if below.startswith('benchmarks/') else 'configs'
    path = _packaged(Path(below), kind) or _packaged(Path(kind, below), kind)
    if path is None:
        raise ConfigError(f'{config}: _base_: {name}: no such {kind[:-1]}{_hint(Path(below), kind)}')
    return str(path), None


Config._get_cfg_path = staticmethod(_find_base)


def read_config(path: Path) -> Config:
    """Read a config with its ``_base_`` files, and remove its private variables (``_NAME``).

    The modules of ``custom_imports`` may be beside the config: its folder is appended to the Python path.

    Raises:
        ConfigError: It cannot be read: a base is missing, or its code raises an error.
    """
    try:
        config = Config.fromfile(path, import_custom_modules=False)
    except FileNotFoundError as error:
        named = re.search(r'file "(.+)" does not exist', str(error))
        base = Path(error.filename or (named[1] if named else path))
        raise ConfigError(f'{path}: _base_: no file {base}; {_hint_of_base(base)}') from error
    except _FAULTS_OF_A_FILE as error:
        raise ConfigError(f'{path} cannot be read: {type(error).__name__}: {error}') from error
    import_modules(config, path, path)
    for name in [name for name in config if name.startswith('_')]:
        config.pop(name)
    # A run needs the text of its config for the log, the work dir and each checkpoint. Its layout by yapf would take up
    # to 0.2 seconds each time. mmengine ignores the option format_python_code of fromfile.
    vars(config)['_format_python_code'] = False
    return config


def import_modules(config: Config, path: Path, source: object) -> None:
    """Import the modules of ``custom_imports``, also from the folder of the config.

    Args:
        config: The config.
        path: The file of the config.
        source: Where ``custom_imports`` was set, for messages.

    Raises:
        ConfigError: It is no dict of the arguments of mmengine's function, or an import fails.
    """
    imports = config.get('custom_imports')
    if not imports:
        return
    if not isinstance(imports, Mapping):
        example = [imports] if isinstance(imports, str) else imports
        raise ConfigError(f'{source}: custom_imports must be a dict: custom_imports = dict(imports={example!r})')
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)
    try:
        import_modules_from_strings(**imports)
    except _FAULTS_OF_A_FILE as error:
        # mmengine replaces the reason of a failed import by "Failed to import NAME".
        reason = f': {error.__context__}' if isinstance(error.__context__, ImportError) else ''
        raise ConfigError(f'{source}: custom_imports: {type(error).__name__}: {error}{reason}') from error


def modules_beside(config: Config, path: Path) -> list[Path]:
    """The files and packages in the folder of a config that its ``custom_imports`` need, also through each other.

    Args:
        config: The config, as :func:`read_config` gives it.
        path: The file of the config.
    """
    imports = (config.get('custom_imports') or {}).get('imports') or []
    waiting = [imports] if isinstance(imports, str) else list(imports)
    found: dict[str, Path] = {}
    while waiting:
        name = waiting.pop().partition('.')[0]
        places = (path.resolve().parent / name, path.resolve().parent / f'{name}.py')
        place = next((place for place in places if place.exists()), None)
        if place is None or name in found or name == PACKAGE.name:
            continue
        found[name] = place
        for file in place.rglob('*.py') if place.is_dir() else [place]:
            try:
                nodes = list(ast.walk(ast.parse(file.read_bytes())))
            except (SyntaxError, ValueError):
                continue  # Python cannot import this file of a package, so it needs no others
            for node in nodes:
                if isinstance(node, ast.Import):
                    waiting += [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    waiting.append(node.module)
    return sorted(found.values())


def write_merged(config: Config, path: Path, target: Path) -> None:
    """Write a config with its ``_base_`` files merged, and copy the modules of :func:`modules_beside` beside it.

    Args:
        config: The config.
        path: The file that it was read from.
        target: The file to write; its folder is created.
    """
    make_folder(target.parent)
    config.dump(target)
    for module in modules_beside(config, path):
        copy = target.with_name(module.name)
        if copy.exists() and copy.samefile(module):
            continue
        if module.is_dir():
            shutil.copytree(module, copy, ignore=shutil.ignore_patterns('__pycache__'), dirs_exist_ok=True)
        else:
            shutil.copyfile(module, copy)


def _hint(path: Path, kind: str) -> str:
    """The kind of the file, its path in another folder, the nearest name, or the list of all names, for a message."""
    others = {
        'benchmarks': ('configs', 'rainrestore train or test'),
        'configs': ('benchmarks', 'rainrestore benchmark'),
    }
    other, command = others[kind]
    if _packaged(path, other):
        return f'; it is a {other[:-1]}, for {command}'
    own = packaged_files(kind)
    if path.stem in own:
        return f' (did you mean {own[path.stem].relative_to(package_folder(kind).parent).as_posix()!r}?)'
    command = 'rainrestore config --list' if kind == 'configs' else ', '.join(sorted(own))
    near = did_you_mean(path.stem, own)
    return near or f'; it is neither a file nor one of the {kind} of this package ({command})'


def _hint_of_base(base: PurePath) -> str:
    """The ``_base_`` to write in place of a missing file, for a message."""
    folder = 'benchmarks/' * (base.stem in packaged_files('benchmarks'))
    own = base.stem if folder or base.stem in packaged_files() else 'fcg_gan_x4'
    return f"a base of this package: 'rainrestore::{folder}{own}.py'"


def check_same_config(stored: str, current: str) -> None:
    """Check that a run resumes a checkpoint of the same config.

    Args:
        stored: ``meta['experiment_name']`` of the checkpoint: the stem of its config and its start time.
        current: The experiment name of this run. Names without a stem (runs without a config file) are not compared.

    Raises:
        CheckpointError: The configs differ.
    """
    before, now = (_STARTED.sub('', name) for name in (stored, current))
    if before and now and before != now:
        raise CheckpointError(
            f'the checkpoint belongs to a run of the config {before!r}, not {now!r}: resume with {before!r}, choose '
            'another --work-dir, or start from its weights with --cfg-options load_from=FILE'
        )


def default_work_dir(path: str | Path) -> Path:
    """``work_dirs/`` plus the path of a config below ``configs/``, or below the working directory, without suffix.

    For a config in neither folder, ``work_dirs/`` plus its stem.
    """
    path = Path(path).resolve()
    below = PurePath(path.stem)
    for root in (*(parent for parent in path.parents if parent.name == 'configs'), Path.cwd()):
        if path.is_relative_to(root):
            below = path.relative_to(root).with_suffix('')
            break
    return Path('work_dirs') / below
