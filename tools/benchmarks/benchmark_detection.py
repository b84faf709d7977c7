"""Measure the recall of a face detector in synthetic rain, with and without rain removal before the detection.

Four aligned faces are pasted at known positions of a generated photo, and rain_v1 is drawn over it with streak lengths
for the side of the faces. The detector runs on the clean photo, the rainy photo, the rain-free photo, and as in
`rainrestore restore` (rain-free, then rainy). A face is found if the root mean square error of the corners of its crop
is at most a quarter of its side. Sides are of the crop, with hair and chin; the face is about 0.6 of it. Poses:
frontal; tilted by 20 degrees; turned to the side by 30 and 45 degrees, as a face on a cylinder. The last line is JSON.
"""

import argparse
import json
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

from rainrestore.apis import Restorer, derain
from rainrestore.benchmark.scenes import Pose, corner_error, crop_in_pose, make_scene
from rainrestore.cli.options import whole_number
from rainrestore.errors import ConfigError
from rainrestore.faces import DetectedFace, FaceCrop, FaceDetector, build_detector, find_faces
from rainrestore.image_io import list_images, read_image
from rainrestore.physics import RAIN_RANGES, draw_scene, quantise, seeded_rng

ROOT = Path(__file__).resolve().parents[2]
FACES_PER_PHOTO = 4
SMALLEST_PHOTO = 256
FOUND = 0.25
POSES = {'frontal': Pose(), 'tilted 20': Pose(tilt=20), 'turned 30': Pose(yaw=30), 'turned 45': Pose(yaw=45)}


def main() -> None:
    """Run the benchmark and print a table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--data', type=Path, default=ROOT / 'data' / 'portraits128', help='folder {val,test}/img')
    parser.add_argument('--faces', type=whole_number, default=100, help='faces of each side (default 100)')
    parser.add_argument('--sides', type=whole_number, nargs='+', default=[24, 32, 48, 64, 96, 128])
    parser.add_argument('--detector', default='MTCNNDetector', help='a registered detector or a config file')
    parser.add_argument('--poses', choices=POSES, nargs='+', default=list(POSES))
    parser.add_argument('--model', default='hrrm_scenes', help='model that removes the rain')
    parser.add_argument('--device')
    args = parser.parse_args()
    files = [file for split in ('test', 'val') for file in list_images(args.data / split / 'img')][: args.faces]
    faces = [read_image(file) for file in files]
    detector, restorer = build_detector(args.detector), Restorer(args.model, device=args.device)
    print(f'{"pose":>10} {"side":>4} {"photo":>12} {"found":>7} {"corner error":>13} {"false":>6} {"s a photo":>10}')
    table: dict[str, dict[int, dict]] = defaultdict(dict)
    for pose in args.poses:
        for side in args.sides:
            rows = measure(faces, side, POSES[pose], detector, restorer)
            table[pose][side] = rows
            for kind, row in rows.items():
                error = row['corner_error'] or 0
                counts = f'{row["recall"]:7.1%} {error:13.3f} {row["false_per_photo"]:6.2f}'
                print(f'{pose:>10} {side:4} {kind:>12} {counts} {row["seconds_per_photo"]:10.2f}', flush=True)
    result = {
        'benchmark': 'faces found in rain_v1', 'detector': args.detector, 'model': args.model, 'faces': len(faces),
        'device': str(restorer.device), 'data': args.data.name, 'poses': table,
    }  # fmt: skip
    print(json.dumps(result))


def measure(
    faces: list[np.ndarray], side: int, pose: Pose, detector: FaceDetector, restorer: Restorer
) -> dict[str, dict[str, float | None]]:
    """Kind of photo -> the tally of one side and one pose."""
    length = max(FACES_PER_PHOTO * side, SMALLEST_PHOTO)
    gap = (length // 2 - side) // 2
    places = [(x * length // 2 + gap, y * length // 2 + gap, side) for y in range(2) for x in range(2)]
    tallies: dict[str, Tally] = defaultdict(Tally)
    for start in range(0, len(faces), FACES_PER_PHOTO):
        pasted = list(zip(faces[start : start + FACES_PER_PHOTO], places, strict=False))
        clean = make_scene(length, length, pasted, seed=start, pose=pose)
        rng = seeded_rng(0, f'detection-{side}-{start}')
        rainy = quantise(draw_scene(clean / np.float32(255), RAIN_RANGES['rain_v1'], rng, face_side=side).I)
        begin = time.perf_counter()
        clear = derain(restorer, rainy)
        spent = time.perf_counter() - begin
        if clear is None:
            raise ConfigError(f'--model {restorer.name} does not predict an image without rain')
        truths = [crop_in_pose(place, pose) for _, place in pasted]
        for kind, photos, before in (
            ('clean', [clean], 0.0), ('rainy', [rainy], 0.0), ('rain-free', [clear], spent),
            ('both', [clear, rainy], spent),
        ):  # fmt: skip
            begin = time.perf_counter()
            found = find_faces(detector, photos, turns=())
            tallies[kind].add(found, truths, before + time.perf_counter() - begin)
    return {kind: tally.summary() for kind, tally in tallies.items()}


class Tally:
    """Counts of true and found faces over all photos."""

    def __init__(self) -> None:
        self.faces, self.photos, self.false, self.seconds = 0, 0, 0, 0.0
        self.errors: list[float] = []

    def add(self, found: list[DetectedFace], truths: list[FaceCrop], seconds: float) -> None:
        """Count one photo; each true face is matched with the nearest found face."""
        self.photos += 1
        self.faces += len(truths)
        self.seconds += seconds
        nearest = [min((corner_error(face.crop, truth) for face in found), default=np.inf) for truth in truths]
        hits = [error for error in nearest if error < FOUND]
        self.errors += hits
        self.false += len(found) - len(hits)

    def summary(self) -> dict[str, float | None]:
        """Recall, mean corner error of the found faces, false positives, and seconds per photo."""
        return {
            'recall': round(len(self.errors) / self.faces, 4),
            'corner_error': round(float(np.mean(self.errors)), 4) if self.errors else None,
            'false_per_photo': round(self.false / self.photos, 3),
            'seconds_per_photo': round(self.seconds / self.photos, 3),
        }


if __name__ == '__main__':
    main()
