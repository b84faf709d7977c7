"""Data sets for the tests: a generated one, and the bundled portraits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SIZE = 128
FACES = {'train': 6, 'val': 3, 'test': 3}


def _ellipse(x: float, y: float, half_width: float, half_height: float) -> np.ndarray:
    rows, columns = np.mgrid[:SIZE, :SIZE]
    return ((columns - x) / half_width) ** 2 + ((rows - y) / half_height) ** 2 <= 1


def make_face(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A drawn face: 128x128 RGB picture and its label map. Left and right are the person's."""
    dx, dy = rng.uniform(-4, 4, size=2)
    parts = [
        (13, (64, 55, 48, 52)), (17, (64, 118, 22, 20)), (1, (64, 68, 36, 48)), (8, (100, 68, 5, 10)),
        (9, (28, 68, 5, 10)), (4, (80, 60, 7, 4)), (5, (48, 60, 7, 4)), (6, (80, 50, 9, 3)), (7, (48, 50, 9, 3)),
        (2, (64, 74, 7, 12)), (11, (64, 92, 14, 4)), (12, (64, 99, 13, 4)), (10, (64, 96, 9, 2)),
    ]  # fmt: skip
    mask = np.zeros((SIZE, SIZE), dtype=np.uint8)
    for label, (x, y, half_width, half_height) in parts:
        mask[_ellipse(x + dx, y + dy, half_width, half_height)] = label
    colours = rng.integers(30, 226, size=(19, 3))
    shade = np.linspace(0.75, 1.1, SIZE)[None, :, None]
    noise = rng.normal(0, 4, size=(SIZE, SIZE, 3))
    picture = np.clip(colours[mask] * shade + noise, 0, 255).astype(np.uint8)
    return picture, mask


def write_face(folder: Path, name: str, picture: np.ndarray, mask: np.ndarray) -> None:
    """Write ``img/NAME.png`` and ``mask/NAME.png`` under ``folder``."""
    for kind, array in (('img', picture), ('mask', mask)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(folder / kind / f'{name}.png')


@pytest.fixture
def face_folder(tmp_path: Path) -> Path:
    """A data set of generated faces: {train,val,test}/{img,mask}, 6 + 3 + 3 faces named ``SPLIT_0`` and so on."""
    root = tmp_path / 'faces'
    rng = np.random.default_rng(0)
    for split, count in FACES.items():
        for index in range(count):
            write_face(root / split, f'{split}_{index}', *make_face(rng))
    return root


@pytest.fixture(scope='session')
def portraits() -> Path:
    """The bundled public-domain portraits."""
    return Path(__file__).resolve().parents[1] / 'data' / 'portraits128'
