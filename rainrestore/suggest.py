"""Suggestions for a misspelt name, and the new names of configs and models that were renamed or replaced."""

from collections.abc import Iterable
from difflib import get_close_matches

#: Name of a config or model -> the earlier names that it replaces. The nearest name is often another method.
REPLACES = {
    'esrgan_x4_stage1_mse': ['esrgan_mse_x4'],
    'fcg_gan_blind_x4_stage1_psnr': ['fcg_gan_blind_mse_x4', 'fcg_gan_blind_x4_stage1_mse'],
    'fcg_gan_blind_x4_stage2_full': ['fcg_gan_blind_x4_stage2_blind_hrrm', 'fcg_gan_blind_x4_stage3_full'],
    'fcg_gan_freeze_bn_x4': ['fcg_gan_fixed_norms_x4'],
    'fcg_gan_plus_x4_stage1_psnr': ['fcg_gan_plus_mse_x4', 'fcg_gan_plus_first_x4', 'fcg_gan_plus_x4_stage1_mse'],
    'fcg_gan_plus_x4_stage2_full': [
        *(f'fcg_gan_plus_{part}_x4' for part in ('second', 'third', 'fourth', 'fifth', 'sixth')),
        *(f'fcg_gan_plus_x4_stage{part}' for part in ('2_frozen_bn', '3_slow_hrrm', '4_slow_hrrm_again')),
        *(f'fcg_gan_plus_x4_stage{part}' for part in ('5_psnr_loss', '6_psnr_loss_again', '7_last_hrrm', '8_full')),
    ],
    'fcg_gan_subpixel_head_x4': ['fcg_gan_direct_x4'],
    'fcg_gan_x4': ['fcg_gan_cross_entropy_x4', 'fcg_gan_no_decay_x4'],
    'fcg_gan_x4_stage1_mse': ['fcg_gan_mse', 'fcg_gan_mse_x4'],
    'fcg_srgan_x4': ['fcg_srgan_x4_stage2_full'],
    'hifacegan_128_stage1_psnr': ['hifacegan_mse_128', 'hifacegan_128_stage1_mse'],
    'hifacegan_rain_x4_stage1_mse': ['hifacegan_rain_mse_x4'],
    'hrrm_photos_x4': ['hrrm_blind_x4'],
    'hrrm_plus_x4_stage1_ema': ['hrrm_plus_first_x4'],
    'hrrm_plus_x4_stage2_frozen_bn': [
        *('hrrm_plus_second_x4', 'hrrm_plus_third_x4'),
        *('hrrm_plus_x4_stage3_lower_rate', 'hrrm_plus_x4_stage4_no_decay'),
    ],
    'hrrm_x4': ['hrrm_no_decay_x4'],
    'noisy_x4': ['stored_x4'],
    'srgan_x4': ['srgan', 'srgan_x4_stage2_full'],
    'srgan_x4_stage1_mse': ['srgan_mse', 'srgan_mse_x4'],
}
_REPLACED_BY = {old: new for new, names in REPLACES.items() for old in names}


def did_you_mean(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """A space and ``(did you mean 'NAME'?)`` with the nearest known name, or an empty string if no name is similar.

    For an earlier name of :data:`REPLACES` whose new name is known, ``(replaced by 'NAME')``.

    Args:
        name: The misspelt name.
        known: The existing names.
        cutoff: Minimum similarity (``difflib`` ratio), 0..1; 1 allows only another case.
    """
    known = list(known)
    if (new := _REPLACED_BY.get(name)) in known:
        return f' (replaced by {new!r})'
    by_lower = {other.lower(): other for other in known}
    similar = get_close_matches(name.lower(), by_lower, n=1, cutoff=cutoff)
    similar = similar or [other for other in by_lower if name and other.startswith(name.lower())]
    return f' (did you mean {by_lower[similar[0]]!r}?)' if similar else ''
