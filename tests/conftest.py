"""Data sets for the tests: a generated one, and the bundled portraits; tests of a network in the same process."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

SIZE = 128
FACES = {'train': 6, 'val': 3, 'test': 3}


def _ellipse(x: float, y: float, half_width: float, half_height: float) -> np.ndarray:
    rows, columns = np.mgrid[:SIZE, :SIZE]
    return ((columns - x) / half_width) ** 2 + ((rows - y) / half_height) ** 2 <= 1


def make_face(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A drawn face: 128x128 RGB image and its label map. Left and right are the person's."""
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
    image = np.clip(colours[mask] * shade + noise, 0, 255).astype(np.uint8)
    return image, mask


def write_face(folder: Path, name: str, image: np.ndarray, mask: np.ndarray) -> None:
    """Write ``img/NAME.png`` and ``mask/NAME.png`` under ``folder``."""
    for kind, array in (('img', image), ('mask', mask)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(folder / kind / f'{name}.png')


def write_faces(root: Path) -> Path:
    """Generated faces in {train,val,test}/{img,mask}; FACES has their numbers."""
    rng = np.random.default_rng(0)
    for split, count in FACES.items():
        for index in range(count):
            write_face(root / split, f'{split}_{index}', *make_face(rng))
    return root


#: The numbers of the faces that write_release writes.
RELEASED = [0, 1, 7, 1999, 2000, 4001]


def face_colour(number: int) -> tuple[int, int, int]:
    """The colour of a face of write_release."""
    return number % 251, (number * 7) % 251, 200


def write_release(root: Path) -> Path:
    """Six faces of 256 with masks of 128, in the layout of the CelebAMask-HQ release (there 1024 and 512)."""
    (root / 'CelebA-HQ-img').mkdir(parents=True)
    for number in RELEASED:
        Image.new('RGB', (256, 256), face_colour(number)).save(root / f'CelebA-HQ-img/{number}.jpg', quality=100)
        folder = root / 'CelebAMask-HQ-mask-anno' / str(number // 2000)
        folder.mkdir(parents=True, exist_ok=True)
        for part, (x0, y0, x1, y1), mode in (
            ('skin', (16, 16, 112, 120), 'L'), ('l_eye', (72, 48, 88, 56), 'RGB'), ('r_eye', (40, 48, 56, 56), 'L'),
            ('ear_r', (16, 80, 24, 96), 'L'), ('cloth', (0, 112, 128, 128), 'RGB'),
        ):  # fmt: skip
            mask = Image.new('L', (128, 128), 0)
            mask.paste(255, (x0, y0, x1, y1))
            mask.convert(mode).save(folder / f'{number:05d}_{part}.png')
    return root


def pytest_collection_finish() -> None:
    """Exclude the modules and the collected tests from garbage collection: mmengine collects for each data set."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def face_folder(tmp_path: Path) -> Path:
    """A data set of generated faces: {train,val,test}/{img,mask}, 6 + 3 + 3 faces named ``SPLIT_0`` and so on."""
    return write_faces(tmp_path / 'faces')


@pytest.fixture(scope='session')
def portraits() -> Path:
    """The bundled public-domain portraits."""
    return Path(__file__).resolve().parents[1] / 'data' / 'portraits128'


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the tests of benchmarks and of the zoo without the seconds of starting another process.

    tests/test_cli_zoo.py and tests/test_zoo_bundled.py run them in another process, as users do.
    """
    from rainrestore.engine.testing import run_test

    def summary(log: Path, *words: Any, **options: Any) -> dict[str, Any]:
        found = run_test(*words, **options)
        assert found is not None
        return found[1]

    for module in ('benchmark.runs', 'zoo.measurements'):
        monkeypatch.setattr(f'rainrestore.{module}.run_test_apart', summary)
