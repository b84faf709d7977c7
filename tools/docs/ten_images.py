"""Restore ten images that are not in the training data, and draw them before and after (docs/results/ten_images.md).

The photos are NASA's astronaut and a cup of coffee from scikit-image, a temple from scikit-learn (`pip install
scikit-image scikit-learn`), and the bundled portraits in generated scenes. Weather and drops are rendered. Each image
is restored as in `rainrestore restore`, with the default model of its task; a photo with faces with each choice of
`--background`. The script prints the table of the page. PSNR is computed against the clean image: in photos with faces
in the squares around the faces, otherwise everywhere.
"""

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from rainrestore import compat
from rainrestore.apis import TASKS, PhotoRestorer, Restorer
from rainrestore.apis.photos import Background
from rainrestore.benchmark.scenes import Pose, make_scene
from rainrestore.datasets.transforms.raindrops import RaindropsOnGlass
from rainrestore.faces import FaceCrop, cut
from rainrestore.image_io import list_images, read_image
from rainrestore.optional import packaged_file
from rainrestore.physics import RainRanges, draw_scene, quantise, resize, seeded_rng
from rainrestore.visualization.sheets import image_sheet

ROOT = Path(__file__).resolve().parents[2]
#: Longer side of a photo, and of an image in the sheet.
SIDE, SHOWN = 480, 230
#: Left, top and side of the faces in two generated scenes, with five and with two faces.
FIVE = ((20, 20, 128), (180, 40, 96), (40, 190, 64), (150, 200, 32), (220, 200, 24))
TWO = ((20, 30, 128), (150, 160, 128))


@dataclass(frozen=True, eq=False)
class Given:
    """An image to restore.

    Attributes:
        title: Description.
        clean: The image without weather, H x W x 3 uint8.
        seen: The image with weather, H x W x 3 uint8.
        task: Task of ``rainrestore restore``.
    """

    title: str
    clean: np.ndarray
    seen: np.ndarray
    task: str = 'faces'


def ten_images() -> list[Given]:
    """The images in the order of the page."""
    command = 'pip install scikit-image scikit-learn'
    astronaut, coffee, temple = (
        small(read_image(packaged_file(package, file, 'ten_images.py', command)))
        for package, file in (
            ('skimage', 'data/astronaut.png'), ('skimage', 'data/coffee.png'), ('sklearn', 'datasets/images/china.jpg')
        )
    )  # fmt: skip
    portraits = [read_image(path) for path in list_images(ROOT / 'data' / 'portraits128' / 'test' / 'img')]
    astronaut = np.ascontiguousarray(astronaut[:300, 50:350])
    group = make_scene(300, 300, list(zip(portraits[10:15], FIVE, strict=True)), seed=1)
    turned = make_scene(300, 300, list(zip(portraits[20:22], TWO, strict=True)), seed=2, pose=Pose(tilt=20, yaw=35))
    night = quantise(astronaut / np.float32(255) * np.float32(0.3))
    drops = RaindropsOnGlass(coverage=(0.2, 0.2), radius=(4, 24), defocus=(4, 8), seed=3)
    return [
        Given('faces of 128 to 24 pixels, rain', group, weather(group, 0.5, 1, 64)),
        Given('turned and tilted faces, rain', turned, weather(turned, 0.5, 1, 96)),
        Given('a portrait, rain', astronaut, weather(astronaut, 0.5, 1, 128)),
        Given('streaks without a veil', astronaut, weather(astronaut, 1.0, 1, 128)),
        Given('haze alone', astronaut, weather(astronaut, 0.5, 0, 128)),
        Given('night', night, weather(night, 0.7, 1, 128, airlight=0.25)),
        Given('a clean photo', astronaut, astronaut),
        Given('a clean photo, JPEG of quality 15', group, compressed(group, 15)),
        Given('a street without faces, rain', temple, weather(temple, 0.5, 1, 48), task='rain'),
        Given('drops on the window', coffee, drops({'gt': coffee, 'name': 'coffee'})['img'], task='raindrops'),
    ]


def small(photo: np.ndarray) -> np.ndarray:
    ratio = SIDE / max(photo.shape[:2])
    height, width = (round(length * ratio) for length in photo.shape[:2])
    return quantise(resize(photo, height, width))


def weather(clean: np.ndarray, transmission: float, layers: int, face_side: int, airlight: float = 0.8) -> np.ndarray:
    """A clean photo in rain of `rain_v1` with another T and A."""
    beta = -float(np.log(transmission))
    ranges = RainRanges(beta=(beta, beta), airlight=(airlight, airlight), layers=layers)
    return quantise(draw_scene(clean / np.float32(255), ranges, seeded_rng(5, 'ten'), face_side=face_side).I)


def compressed(photo: np.ndarray, quality: int) -> np.ndarray:
    stored = BytesIO()
    Image.fromarray(photo).save(stored, 'jpeg', quality=quality)
    return np.asarray(Image.open(stored))


#: The choices of `--background`, the default first.
BACKGROUNDS: tuple[Background, ...] = ('auto', 'keep', 'derain')
#: Function of an image: the results, a description of the processing, and the squares of the faces (none: whole image).
#: A photo with faces has one result for each of :data:`BACKGROUNDS`.
Restore = Callable[[np.ndarray], tuple[list[np.ndarray], str, list[FaceCrop]]]


def restorers(device: str | None) -> dict[str, Restore]:
    """Task -> the function that restores an image."""
    photos = PhotoRestorer(Restorer(TASKS['faces'].model, device=device))

    def faces(photo: np.ndarray) -> tuple[list[np.ndarray], str, list[FaceCrop]]:
        found, clear = photos.found_in(photo)
        results = []
        for choice in BACKGROUNDS:
            photos.background = choice
            results.append(photos.restore_faces(photo, found, clear))
        changed = sum(face.weight > 0 for face in results[0].faces)
        crops = [face.crop for face in found]
        return [result.photo for result in results], f'{len(found)} found, {changed} restored', crops

    def whole(task: str) -> Restore:
        restorer = Restorer(TASKS[task].model, device=device)
        return lambda image: ([restorer(image)], f'`--task {task}`', [])

    return {'faces': faces, 'rain': whole('rain'), 'raindrops': whole('raindrops')}


def psnr(image: np.ndarray, truth: np.ndarray, crops: list[FaceCrop]) -> str:
    """In dB."""
    pairs = [(cut(image, crop), cut(truth, crop)) for crop in crops] or [(image, truth)]
    error = float(np.mean([np.square(a.astype(float) - b).mean() for a, b in pairs]))
    return f'{10 * math.log10(255**2 / error):.1f}' if error else 'equal'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('-o', '--out', type=Path, default=ROOT / 'docs' / 'images' / 'ten_images.jpg')
    parser.add_argument('--device')
    args = parser.parse_args()
    if args.out.suffix.lower() not in Image.registered_extensions():
        parser.error(f'--out {args.out}: name an image file, such as ten.jpg')
    compat.apply()
    ways = restorers(args.device)
    choices = ' | '.join(f'`--background {choice}`' for choice in BACKGROUNDS[1:])
    print(f'| | image | processing | before | after | {choices} |\n' + '|---' * 7 + '|')
    cells = []
    for number, given in enumerate(ten_images(), 1):
        restored, done, crops = ways[given.task](given.seen)
        before, *after = (psnr(image, given.clean, crops) for image in (given.seen, *restored))
        print(f'| {number} | {given.title} | {done} | {before} | {" | ".join([*after, "-", "-"][:3])} |', flush=True)
        cells += [given.seen, *restored, np.full_like(given.seen, 255)][:3]
    rows = [cells[start : start + 6] for start in range(0, len(cells), 6)]
    numbers = [f'{2 * row + 1}, {2 * row + 2}' for row in range(len(rows))]
    image_sheet(rows, ('before', 'after', '--background keep') * 2, args.out, numbers, cell=SHOWN)


if __name__ == '__main__':
    main()
