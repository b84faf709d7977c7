"""Draw the images of docs/rain.md: a face in the rain of eq. 2, and the effect of each parameter."""

import argparse
from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from rainrestore.image_io import read_image
from rainrestore.physics import RainRanges, RainScene, draw_scene, quantise, seeded_rng
from rainrestore.physics.resample import shrink
from rainrestore.visualization.sheets import TITLES, image_sheet

ROOT = Path(__file__).resolve().parents[2]
#: A member of the 115th US Congress, Government Publishing Office, public domain.
PORTRAIT = ROOT / 'data' / 'portraits128' / 'test' / 'img' / 'test_0004.jpg'
SEED = 6

RAIN_V1 = RainRanges()
#: The middle of every range of rain_v1, as the base for changing one parameter.
MIDDLE = replace(
    RAIN_V1,
    gain_jitter=0.0,
    **{
        item.name: (sum(getattr(RAIN_V1, item.name)) / 2,) * 2
        for item in fields(RAIN_V1)
        if isinstance(item.default, tuple)
    },
)
#: Parameter -> the map to draw, and the values.
SHOWN: dict[str, tuple[str, tuple[float, ...]]] = {
    'noise_mean': ('S', (0.4, 0.8, 0.9, 1.0, 1.4)),
    'noise_variance': ('S', (0.3, 0.7, 0.85, 1.0, 1.6)),
    'length': ('S', (1, 5, 8.5, 12, 20)),
    'angle': ('S', (45, 70, 90, 110, 135)),
    'gain_base': ('S', (0.0, 0.2, 0.4, 0.8, 1.6)),
    'layers': ('S', (0, 1, 2, 3, 4)),
    'beta': ('I', (0.0, 0.5, 0.85, 1.2, 2.5)),
    'airlight': ('I', (0.2, 0.5, 0.72, 0.95, 1.0)),
}


def with_value(name: str, value: float) -> RainRanges:
    """The middle of rain_v1 with another value of one parameter."""
    if isinstance(getattr(MIDDLE, name), tuple):
        return replace(MIDDLE, **{name: (value, value)})
    return replace(MIDDLE, **{name: type(getattr(MIDDLE, name))(value)})


def in_rain_v1(name: str, value: float) -> bool:
    """Whether the value is in the range of rain_v1."""
    allowed = getattr(RAIN_V1, name)
    return allowed[0] <= value <= allowed[1] if isinstance(allowed, tuple) else value == allowed


def image(scene: RainScene, field: str) -> np.ndarray:
    """A field of the scene as h x w x 3 uint8."""
    return quantise(np.broadcast_to(getattr(scene, field), scene.J.shape))


def draw(portrait: Path, out: Path) -> None:
    """Write ``scene.png`` and an image for each parameter to ``out``."""
    face = read_image(portrait)
    small = shrink(face.astype(np.float32) / np.float32(255), 4)

    def scene(ranges: RainRanges) -> RainScene:
        return draw_scene(small, ranges, seeded_rng(SEED, portrait.stem))

    middle = scene(MIDDLE)
    wet = quantise(middle.J + middle.S)
    shown = {name: image(middle, name) for name in 'IJSTA'} | {'H': face, 'J + S': wet}
    columns = {title: shown[letter] for letter, title in TITLES.items() if letter in shown}
    image_sheet([list(columns.values())], list(columns), out / 'scene.png')
    for name, (field, values) in SHOWN.items():
        row = [image(scene(with_value(name, value)), field) for value in values]
        titles = [f'{value:g}' + ('' if in_rain_v1(name, value) else ' (beyond)') for value in values]
        image_sheet([row], titles, out / f'{name}.png')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--portrait', type=Path, default=PORTRAIT, help='a face, sides divisible by 4')
    parser.add_argument('-o', '--out', type=Path, default=ROOT / 'docs' / 'images' / 'rain', help='folder to write to')
    args = parser.parse_args()
    draw(args.portrait, args.out)


if __name__ == '__main__':
    main()
