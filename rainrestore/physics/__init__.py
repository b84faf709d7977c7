"""The heavy rain model as pure functions on arrays and tensors, without mmengine."""

from rainrestore.physics.inverse import RainEstimate, invert
from rainrestore.physics.rain import (
    RAIN_RANGES,
    REFERENCE_SIDE,
    RainRanges,
    RainRangesError,
    RainScene,
    draw_scene,
    forward,
    motion_kernel,
    quantise,
    seeded_rng,
)
from rainrestore.physics.resample import enlarge, resize, shrink

__all__ = [
    'RAIN_RANGES',
    'REFERENCE_SIDE',
    'RainEstimate',
    'RainRanges',
    'RainRangesError',
    'RainScene',
    'draw_scene',
    'enlarge',
    'forward',
    'invert',
    'motion_kernel',
    'quantise',
    'resize',
    'seeded_rng',
    'shrink',
]
