"""Config files: the one that a name means, the names that configs had before, and the default work dir of each."""

import re
import sys
from functools import cache
from pathlib import Path, PurePath

from mmengine.config import Config
from mmengine.utils import import_modules_from_strings

from rainrestore.errors import CheckpointError, ConfigError
from rainrestore.suggest import did_you_mean

PACKAGE = Path(__file__).resolve().parent
#: Errors of a config, which is Python, when it is read.
_FAULTS_OF_A_FILE = (
    *(ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, NameError, OSError, RuntimeError),
    *(SyntaxError, TypeError, ValueError),
)
#: The suffix that mmengine's Runner adds to the stem of the config in the name of a run.
_STARTED = re.compile(r'_?\d{8}_\d{6}$')

#: Path below configs/ before the configs were grouped by method -> path now; both without .py. Configs that kept their
#: name are found by it.
RENAMED = {
    '_base_/blind_rain': '_base_/data/blind_rain',
    '_base_/data': '_base_/data/rain_x4',
    '_base_/heavy_rain': '_base_/models/heavy_rain_removal',
    '_base_/hifacegan_mse_alone': '_base_/models/hifacegan_mse_alone',
    '_base_/hrrm': '_base_/models/hrrm',
    '_base_/hrrm_fpm': '_base_/models/fpm',
    '_base_/mse_alone': '_base_/models/mse_alone',
    '_base_/rrdb': '_base_/models/rrdb_trunk',
    '_base_/schedule_joint': '_base_/schedules/joint',
    '_base_/schedule_pretrain': '_base_/schedules/pretrain',
    'ablations/fcg_gan_cross_entropy_x4': 'fcg_gan_x4',
    'ablations/fcg_gan_no_decay_x4': 'fcg_gan_x4',
    'ablations/hrrm_no_decay_x4': 'hrrm_x4',
    'raindrop_set/raindrop_pix2pix': 'raindrop/raindrop_pix2pix_qian',
    'zoo/esrgan_mse_x4': 'esrgan/esrgan_x4_stage1_mse',
    'zoo/esrgan_x4': 'esrgan/esrgan_x4_stage2_full',
    'zoo/fcg_gan_blind_mse_x4': 'fcg_gan/fcg_gan_blind_x4_stage1_psnr',
    'zoo/fcg_gan_blind_x4': 'fcg_gan/fcg_gan_blind_x4_stage3_full',
    'zoo/fcg_gan_mse_x4': 'fcg_gan/fcg_gan_x4_stage1_mse',
    'zoo/fcg_gan_plus_first_x4': 'fcg_gan/fcg_gan_plus_x4_stage1_mse',
    'zoo/fcg_gan_plus_second_x4': 'fcg_gan/fcg_gan_plus_x4_stage2_frozen_bn',
    'zoo/fcg_gan_plus_third_x4': 'fcg_gan/fcg_gan_plus_x4_stage3_slow_hrrm',
    'zoo/fcg_gan_plus_fourth_x4': 'fcg_gan/fcg_gan_plus_x4_stage4_slow_hrrm_again',
    'zoo/fcg_gan_plus_fifth_x4': 'fcg_gan/fcg_gan_plus_x4_stage5_psnr_loss',
    'zoo/fcg_gan_plus_sixth_x4': 'fcg_gan/fcg_gan_plus_x4_stage6_psnr_loss_again',
    'zoo/fcg_gan_plus_x4': 'fcg_gan/fcg_gan_plus_x4_stage8_full',
    'zoo/fcg_gan_x4': 'fcg_gan/fcg_gan_x4_stage2_full',
    'zoo/fcg_srgan_x4': 'fcg_gan/fcg_srgan_x4_stage2_full',
    'zoo/fpm_x4': 'fpm/fpm_x4_short',
    'zoo/hifacegan_128': 'hifacegan/hifacegan_128_stage2_full',
    'zoo/hifacegan_mse_128': 'hifacegan/hifacegan_128_stage1_mse',
    'zoo/hifacegan_rain_mse_x4': 'hifacegan/hifacegan_rain_x4_stage1_mse',
    'zoo/hifacegan_rain_x4': 'hifacegan/hifacegan_rain_x4_stage2_full',
    'zoo/hrrm_plus_first_x4': 'hrrm/hrrm_plus_x4_stage1_ema',
    'zoo/hrrm_plus_second_x4': 'hrrm/hrrm_plus_x4_stage2_frozen_bn',
    'zoo/hrrm_plus_third_x4': 'hrrm/hrrm_plus_x4_stage3_lower_rate',
    'zoo/hrrm_plus_x4': 'hrrm/hrrm_plus_x4_stage4_no_decay',
    'zoo/hrrm_x4': 'hrrm/hrrm_x4_short',
    'zoo/srgan_mse_x4': 'srgan/srgan_x4_stage1_mse',
    'zoo/srgan_x4': 'srgan/srgan_x4_stage2_full',
}


def package_folder(name: str) -> Path:
    """The folder ``configs`` or ``benchmarks`` of this package, from whatever folder it is called.

    An installed package has its own copy (setup.py puts it there); a clone has it beside the package.

    Raises:
        ConfigError: Neither has it.
    """
    # The package's own first: beside an installed package, in site-packages, configs/ may be anybody's.
    for root in (PACKAGE, PACKAGE.parent):
        if (root / name).is_dir():
            return root / name
    raise ConfigError(f'the folder {name}/ of the package is missing; install rainrestore again')


@cache
def _stems(folder: Path) -> dict[str, Path]:
    """Name -> file of every config or benchmark in a folder; the parts in ``_base_`` have no names."""
    files = sorted(folder.rglob('*.py'))
    return {path.stem: path for path in files if path.relative_to(folder).parts[0] != '_base_'}


def packaged_files(kind: str = 'configs') -> dict[str, Path]:
    """Name -> file of the configs or the benchmarks of this package."""
    return _stems(package_folder(kind))


def find_file(name: str | Path, kind: str = 'configs') -> Path:
    """The file that a name means, from whatever folder.

    Args:
        name: A file; or, where there is no such file, one of the package: its name (``srgan_x4``), or its path from
            the folder above ``configs`` (``configs/srgan/srgan_x4.py``).
        kind: ``configs`` or ``benchmarks``.

    Raises:
        ConfigError: There is none; the message has the new place of a file that was moved, or the nearest name.
    """
    path = Path(name)
    if path.is_file():
        return path
    packaged = _packaged(path, kind)
    if packaged is None:
        raise ConfigError(f'{name}: no such {kind[:-1]}{_hint(path, kind)}')
    return packaged


def bundled_config(name: str) -> Path:
    """The file of a config that the zoo's index names, such as ``configs/fcg_gan_x4.py``: always that of the package.

    Raises:
        ConfigError: The package has no such config.
    """
    path = _packaged(Path(name), 'configs')
    if path is None:
        raise ConfigError(f'{name}: this config of the zoo is missing; install rainrestore again')
    return path


def _packaged(path: Path, kind: str) -> Path | None:
    """The package's own file of a name, or at a path such as ``configs/fcg_gan_x4.py``, if there is one."""
    if path.parts == (path.stem,):
        return packaged_files(kind).get(path.stem)
    if path.parts[:1] != (kind,) or '..' in path.parts:
        return None
    file = package_folder(kind).joinpath(*path.parts[1:])
    return file if file.is_file() else None


_path_of_base = Config._get_cfg_path


def _find_base(name: str, config: str) -> tuple[str, str | None]:
    """The file of a ``_base_`` and its scope, as mmengine's ``Config._get_cfg_path``, whose place it takes.

    mmengine reads ``package::folder/file.py`` for the packages that it knows; ``rainrestore::NAME`` is a config of this
    package, by its name or its path below ``configs``.
    """
    package, separator, below = name.partition('::')
    if package != PACKAGE.name or not separator:
        return _path_of_base(name, config)
    path = _packaged(Path(below), 'configs') or _packaged(Path('configs', below), 'configs')
    if path is None:
        raise ConfigError(f'{config}: _base_: {name}: no such config{_hint(Path(below), "configs")}')
    return str(path), None


Config._get_cfg_path = staticmethod(_find_base)


def read_config(path: Path) -> Config:
    """A config with all of its ``_base_``, without its private variables (``_NAME``), which only served to write it.

    ``custom_imports`` finds modules beside the config, too: its folder is then the last on the Python path.

    Raises:
        ConfigError: It cannot be read: a base is missing, or a statement of it fails.
    """
    try:
        config = Config.fromfile(path, import_custom_modules=False)
        if config.get('custom_imports'):
            folder = str(path.resolve().parent)
            if folder not in sys.path:
                sys.path.append(folder)
            import_modules_from_strings(**config.custom_imports)
    except FileNotFoundError as error:
        named = re.search(r'file "(.+)" does not exist', str(error))
        base = Path(error.filename or (named[1] if named else path))
        place = moved(base)
        hint = f'it has moved to {place}' if place else "one of this package is 'rainrestore::fcg_gan_x4.py'"
        raise ConfigError(f'{path}: _base_: no file {base}; {hint}') from error
    except _FAULTS_OF_A_FILE as error:
        raise ConfigError(f'{path} cannot be read: {type(error).__name__}: {error}') from error
    for name in [name for name in config if name.startswith('_')]:
        config.pop(name)
    return config


def _hint(path: Path, kind: str) -> str:
    """Where a file went, or which names there are."""
    place = moved(path)
    if place is not None:
        return f'; it has moved to {place}'
    own = packaged_files(kind)
    near = did_you_mean(path.stem, own)
    command = 'rainrestore config --list' if kind == 'configs' else ', '.join(sorted(own))
    return near or f'; it is neither a file nor one of the {kind} of this package ({command})'


def moved(path: PurePath) -> str | None:
    """The new path, from the folder above ``configs``, of a config that was moved or renamed; None for any other."""
    own = packaged_files()
    below = path.with_suffix('').as_posix()
    if 'configs' in path.parts:
        below = below.rpartition('configs/')[2]
    if below.startswith('benchmarks/'):
        return f'{below}.py' if path.stem in packaged_files('benchmarks') else None
    if below in RENAMED:
        return f'configs/{RENAMED[below]}.py'
    if path.stem in own:
        return f'configs/{own[path.stem].relative_to(package_folder("configs")).as_posix()}'
    return None


def check_same_config(stored: str, current: str) -> None:
    """Compare the config of a checkpoint with the one that is to go on with it.

    Args:
        stored: The checkpoint's ``meta['experiment_name']``: the stem of its config and the time of its start.
        current: That of this run. A run that was made without a config file has no stem and is not compared.

    Raises:
        CheckpointError: They are two configs; neither is the former name of the other.
    """
    before, now = (_STARTED.sub('', name) for name in (stored, current))
    renamed = ((PurePath(old).name, PurePath(new).name) for old, new in RENAMED.items())
    if before and now and before != now and (before, now) not in renamed:
        raise CheckpointError(
            f'the checkpoint belongs to a run of the config {before!r}, not {now!r}: resume with that config, choose '
            'another --work-dir, or start from its weights with --cfg-options load_from=FILE'
        )


def default_work_dir(path: str | Path) -> Path:
    """``work_dirs/`` and the path of a config below ``configs/``, or below the working directory, without suffix.

    A config in neither has its stem alone.
    """
    path = Path(path).resolve()
    below = PurePath(path.stem)
    for root in (*(parent for parent in path.parents if parent.name == 'configs'), Path.cwd()):
        if path.is_relative_to(root):
            below = path.relative_to(root).with_suffix('')
            break
    return Path('work_dirs') / below
