"""Arguments of wrong types: one line with the name of the argument and what it takes."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch

from rainrestore.apis import (
    FilePlan,
    PhotoPreview,
    PhotoRestorer,
    Restorer,
    VideoSettings,
    derain,
    draw_faces,
    plan_files,
    restore_files,
    restore_video,
)
from rainrestore.arguments import checked, described, fits
from rainrestore.errors import ArgumentError, CheckpointError, ConfigError, ImageError, RainRestoreError
from rainrestore.faces import DetectedFace, FaceCrop, FaceDetector
from rainrestore.faces.mtcnn import MTCNNDetector

BICUBIC = Path(__file__).resolve().parents[1] / 'configs' / 'references' / 'bicubic_x4.py'
CROP = FaceCrop(20, 20, 30)
PHOTO = np.zeros((40, 40, 3), np.uint8)


class Detector:
    """Finds one face. The attributes of the interface that have a default are missing."""

    def __call__(self, photo: np.ndarray) -> list[DetectedFace]:
        return [DetectedFace(CROP)]


@pytest.fixture(scope='module')
def restorer() -> Restorer:
    return Restorer(BICUBIC, device='cpu')


@pytest.fixture(scope='module')
def photos(restorer) -> PhotoRestorer:
    return PhotoRestorer(restorer, Detector())


@pytest.mark.parametrize(
    ('call', 'message'),
    [
        (lambda r, p: PhotoRestorer(r, estimator=3), "estimator must be a Restorer, 'auto' or None, got 3"),
        (lambda r, p: PhotoRestorer(r, estimator='bicubic'), "estimator must be .* got 'bicubic'"),
        (lambda r, p: PhotoRestorer(r, strength='0.5'), "strength must be a finite number, got '0.5'"),
        (lambda r, p: PhotoRestorer(r, strength=True), 'strength must be a finite number, got True'),
        (lambda r, p: PhotoRestorer(r, 3), 'detector must be a text, a Path, a dict or a FaceDetector, got 3'),
        (lambda r, p: PhotoRestorer(r, Detector), 'detector must be .* got <class .*Detector'),
        (lambda r, p: PhotoRestorer(r, keep_colour='no'), "keep_colour must be True or False or None, got 'no'"),
        (lambda r, p: PhotoRestorer(r, turns=90), 'turns must be a list, each item a finite number, got 90'),
        (lambda r, p: PhotoRestorer(r, boxes=[CROP]), 'boxes must be a dict, each value a list, each item a FaceC'),
        (lambda r, p: PhotoRestorer(r, boxes={'a': CROP}), 'boxes must be a dict'),
        (lambda r, p: PhotoRestorer(r, background='blur'), "background must be 'auto', 'keep' or 'derain', got 'blur'"),
        (lambda r, p: p(PHOTO, FaceCrop), 'crops must be a list, each item a FaceCrop or None, got <class'),
        (lambda r, p: p(PHOTO, CROP), 'crops must be a list, .* got FaceCrop'),
        (lambda r, p: p.restore_faces(PHOTO, [CROP]), 'faces must be a list, each item a DetectedFace, got'),
        (lambda r, p: draw_faces(PHOTO, [CROP]), 'faces must be a list, each item a DetectedFace, got'),
        (lambda r, p: PhotoPreview(r), 'photos must be a PhotoRestorer, got <'),
        (lambda r, p: Restorer(BICUBIC, 3), 'checkpoint must be a text, a Path or None, got 3'),
        (lambda r, p: Restorer(BICUBIC, device=0), 'device must be a text, a device or None, got 0'),
        (lambda r, p: Restorer(BICUBIC, batch_size='4'), "batch_size must be an integer, got '4'"),
        (lambda r, p: Restorer(BICUBIC, precision='half'), "precision must be 'float32' or 'bfloat16', got 'half'"),
        (lambda r, p: Restorer(BICUBIC, resize='no'), "resize must be True or False, got 'no'"),
        (lambda r, p: restore_video(r, 'a.mp4', 'b.mp4'), 'photos must be a PhotoRestorer, got <'),
        (lambda r, p: restore_video(p, 'a.mp4', 'b.mp4', 5), 'settings must be a VideoSettings or None, got 5'),
        (lambda r, p: restore_video(p, 'a.mp4', 'b.mp4', progress=3), 'progress must be a function or None, got 3'),
        (lambda r, p: VideoSettings(search_every=2.5), 'search_every must be an integer, got 2.5'),
        (lambda r, p: FaceCrop('a', 1, 2), "x must be a finite number, got 'a'"),
        (lambda r, p: FaceCrop.from_box(5), 'box must be a list, each item a finite number, got 5'),
        (lambda r, p: FaceCrop.from_box('1234'), "box must be a list, each item a finite number, got '1234'"),
        (
            lambda r, p: FaceCrop.from_landmarks((1, 1), 2, (3, 3)),
            'right_eye must be a list, each item a finite number, got 2',
        ),
        (lambda r, p: derain(r, None), 'photo must be a ndarray, got None'),
        (lambda r, p: derain(r, [[1, 2]]), r'photo must be a ndarray, got \[\[1, 2\]\]'),
        (lambda r, p: derain(r, 'a.jpg'), "photo must be a ndarray, got 'a.jpg'"),
        (lambda r, p: derain('hrrm_scenes', PHOTO), "restorer must be a RainRemoval, got 'hrrm_scenes'"),
        (lambda r, p: derain(Restorer, PHOTO), 'restorer must be a RainRemoval, got <class'),
        (lambda r, p: derain(p, PHOTO), 'restorer must be a RainRemoval, got <'),
        (lambda r, p: p.restore('a.jpg', ['a']), "images must be a list, each item a ndarray, got 'a.jpg'"),
        (lambda r, p: plan_files('photos', 'out'), "inputs must be a list, each item a text or a Path, got 'photos'"),
        (
            lambda r, p: restore_files(Restorer, FilePlan(Path('out'), {})),
            'restorer must be an ImageRestorer, got',
        ),
    ],
)
def test_wrong_type_gets_one_line(call, message, restorer, photos) -> None:
    with pytest.raises(ArgumentError, match=f'^{message}') as caught:
        call(restorer, photos)
    assert '\n' not in str(caught.value)
    assert isinstance(caught.value, TypeError) and isinstance(caught.value, ConfigError)


@pytest.mark.parametrize('value', [math.nan, math.inf, -math.inf])
def test_nan_and_infinity_get_one_line(value, restorer) -> None:
    for name, call in {
        'strength': lambda: PhotoRestorer(restorer, Detector(), strength=value),
        'turns': lambda: PhotoRestorer(restorer, Detector(), turns=[90, value]),
        'hold': lambda: VideoSettings(hold=value),
        'blend': lambda: VideoSettings(blend=value),
        'search_every': lambda: VideoSettings(search_every=value),
        'batch_size': lambda: Restorer(BICUBIC, batch_size=value),
        'x': lambda: FaceCrop(value, 1, 2),
        'angle': lambda: FaceCrop(1, 1, 2, value),
        'box': lambda: FaceCrop.from_box((1, 2, value, 6)),
        'mouth': lambda: FaceCrop.from_landmarks((1, 1), (3, 1), (2, value)),
        'smallest_face': lambda: MTCNNDetector(smallest_face=value),
        'threshold': lambda: MTCNNDetector(threshold=value),
    }.items():
        with pytest.raises(ArgumentError, match=f'^{name} must be [^\n]*{value}[^\n]*$'):
            call()


@pytest.mark.parametrize(
    ('photo', 'reason'),
    [
        (np.zeros((40, 40), np.uint8), r'expected an H x W x 3 RGB array with pixels, got shape \(40, 40\)'),
        (np.zeros((40, 40, 4), np.uint8), r'expected an H x W x 3 .* got shape \(40, 40, 4\)'),
        (np.zeros((3, 40, 40), np.uint8), r'expected an H x W x 3 .* got shape \(3, 40, 40\)'),
        (np.zeros((0, 40, 3), np.uint8), r'expected an H x W x 3 .* got shape \(0, 40, 3\)'),
        (
            np.zeros((40, 40, 3), int),
            'expected uint8 or floating point pixels, got int64; divide by the value of white',
        ),
        (np.zeros((40, 40, 3), bool), 'expected uint8 or floating point pixels, got bool'),
        (np.full((40, 40, 3), 200.0), r'floating point pixels must be in \[0, 1\], got \[200, 200\]'),
        (np.full((40, 40, 3), -0.5), r'floating point pixels must be in \[0, 1\], got \[-0\.5, -0\.5\]'),
        (np.full((40, 40, 3), math.nan), r'floating point pixels must be in \[0, 1\], got \[nan, nan\]'),
    ],
)
def test_array_that_is_no_photo_gets_one_line(photo, reason, restorer) -> None:
    with pytest.raises(ImageError, match=f'^the photo: {reason}'):
        derain(restorer, photo)


@pytest.mark.parametrize('photo', [PHOTO[..., 0], PHOTO[:0], PHOTO[..., :2], PHOTO / 255, PHOTO.astype(int)])
def test_array_that_is_no_photo_of_8_bits_gets_one_line(photo, photos) -> None:
    for call in (photos.found_in, PhotoPreview(photos).preview, lambda p: photos.restore_faces(p, []), draw_one):
        with pytest.raises(ImageError, match=r'^the photo: expected [^\n]*, got [^\n]*$'):
            call(photo)


def draw_one(photo: np.ndarray) -> np.ndarray:
    return draw_faces(photo, [DetectedFace(CROP)])


@pytest.mark.parametrize('kind', [str, Path])
def test_name_with_a_nul_character_gets_one_line(kind, restorer, tmp_path) -> None:
    with pytest.raises(ArgumentError, match=r'^source has a NUL character: '):
        restore_video(PhotoRestorer(restorer, boxes={}), kind('a\0b.mp4'), tmp_path / 'b.mp4')


def test_name_that_is_too_long_gets_one_line(restorer, tmp_path) -> None:
    long = 'x' * 300
    for call, error in (
        (lambda: Restorer('hrrm_x4', long), CheckpointError),
        (lambda: Restorer(f'{long}.py'), ConfigError),
        (lambda: PhotoRestorer(restorer, f'{long}.py'), ConfigError),
        (lambda: restore_video(PhotoRestorer(restorer, boxes={}), tmp_path / 'a.mp4', tmp_path / f'{long}.mp4'),
         RainRestoreError),
    ):  # fmt: skip
        with pytest.raises(error):
            call()


def test_missing_or_unknown_argument_is_named_by_python(restorer) -> None:
    with pytest.raises(TypeError, match=r"FaceCrop\.__init__\(\) missing 1 required positional argument: 'side'"):
        FaceCrop(1, 2)
    with pytest.raises(TypeError, match=r"PhotoRestorer\.__init__\(\) got an unexpected keyword argument 'detektor'"):
        PhotoRestorer(restorer, detektor='MTCNNDetector')


def test_numbers_of_numpy_and_torch_are_numbers(restorer) -> None:
    expected = FaceCrop.from_box((1, 2, 5, 6))
    for box in (np.array([1, 2, 5, 6]), torch.tensor([1.0, 2, 5, 6]), list(np.float32([1, 2, 5, 6]))):
        assert FaceCrop.from_box(box) == expected
    assert PhotoRestorer(restorer, Detector(), turns=np.array([90, 45]), strength=np.float32(0.5)).turns == (90, 45)


def test_boxes_are_found_by_any_form_of_their_path(restorer, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for key in ('a.png', Path('a.png'), str(tmp_path / 'a.png'), 'sub/../a.png'):
        photos = PhotoRestorer(restorer, boxes={key: [CROP]})
        for name in ('a.png', str(tmp_path / 'a.png')):
            assert [face.crop for face in photos.found_in(PHOTO, name)[0]] == [CROP]


@pytest.mark.parametrize(
    ('annotation', 'good', 'bad'),
    [
        (int | None, [3, np.int64(3), None], [True, 3.0, '3']),
        (float, [3, 3.5, np.float32(1), -(10**400)], [True, '3', None, np.zeros(2), math.nan, -math.inf]),
        (float, [], [np.float32('nan'), np.float64('inf'), -np.float16('inf')]),
        (Sequence[float], [[1.0], np.array([1, 2])], [[1.0, math.nan], np.array([math.inf]), torch.tensor([math.nan])]),
        (Literal['a', 1], ['a', 1], ['b', True, np.zeros(2)]),
        (Sequence[str], [['a'], ('a', 'b'), []], ['a', [1], {'a'}, np.zeros(2)]),
        (Sequence[np.ndarray], [[PHOTO], np.zeros((2, 3, 3))], [PHOTO[0, 0], [3]]),
        (Mapping[str, Any], [{'a': 3}], [['a'], {1: 2}]),
        (FaceDetector, [Detector(), len], [Detector, 3]),
        (Any, [3, None, Detector], []),
    ],
)
def test_values_of_an_annotation(annotation, good, bad) -> None:
    assert [value for value in good if not fits(value, annotation)] == []
    assert [value for value in bad if fits(value, annotation)] == []
    assert described(annotation)


def test_decorated_function_keeps_its_name_and_its_result() -> None:
    @checked
    def half(value: float, *, digits: int = 2) -> float:
        """Half of a value."""
        return round(value / 2, digits)

    assert half(3.333, digits=1) == 1.7 and half.__doc__ == 'Half of a value.' and half.__name__ == 'half'
    with pytest.raises(ArgumentError, match=r'^digits must be an integer, got 1\.5$'):
        half(3, digits=1.5)
