"""Config files: the one that a name means, the names that configs had before, and the default work dir of each."""

from functools import cache
from pathlib import Path, PurePath

from rainrestore.errors import ConfigError
from rainrestore.suggest import did_you_mean

PACKAGE = Path(__file__).resolve().parents[1]

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
    'raindrop_set/raindrop_pix2pix': 'raindrop/raindrop_pix2pix_qian',
    'zoo/esrgan_mse_x4': 'esrgan/esrgan_x4_stage1_mse',
    'zoo/esrgan_x4': 'esrgan/esrgan_x4_stage2_full',
    'zoo/fcg_gan_blind_mse_x4': 'fcg_gan/fcg_gan_blind_x4_stage1_mse',
    'zoo/fcg_gan_blind_x4': 'fcg_gan/fcg_gan_blind_x4_stage2_full',
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

    An installed package has its own copy in ``.mim`` (setup.py puts it there), where mmengine looks for
    ``rainrestore::CONFIG`` as well; a clone has it beside the package.

    Raises:
        ConfigError: Neither has it.
    """
    # The package's own first: beside an installed package, in site-packages, configs/ may be anybody's.
    for root in (PACKAGE / '.mim', PACKAGE.parent):
        if (root / name).is_dir():
            return (root / name).resolve()
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
    own = packaged_files(kind)
    if path.name == str(name) and not path.suffix and path.name in own:
        return own[path.name]
    packaged = _packaged(path, kind)
    if packaged is not None:
        return packaged
    raise ConfigError(f'{name}: no such {kind[:-1]}{_hint(path, kind)}')


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
    """The package's own file at a path such as ``configs/fcg_gan_x4.py``, if there is one."""
    if path.parts[:1] != (kind,) or '..' in path.parts:
        return None
    file = package_folder(kind).joinpath(*path.parts[1:])
    return file if file.is_file() else None


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
