"""Photos and videos on the page have the results of the library."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scenes import MarkerDetector, draw_marker

from rainrestore.apis import ImageError, PhotoRestorer, Restorer, photos
from rainrestore.apis.photos import place_of
from rainrestore.benchmark.scenes import background
from rainrestore.errors import ConfigError, ImageFileError
from rainrestore.faces import FaceCrop
from rainrestore.registry import FACE_DETECTORS
from rainrestore.web import photo_views
from rainrestore.web.photo_views import MODELS, PhotoDesk, by_face
from rainrestore.zoo.index import models

ROOT = Path(__file__).resolve().parents[1]
BICUBIC = ROOT / 'configs' / 'references' / 'bicubic_x4.py'
CROPS = [FaceCrop(60, 60, 80), FaceCrop(170, 72, 60)]


@pytest.fixture(scope='module')
def restorer() -> Restorer:
    return Restorer(BICUBIC, device='cpu')


@pytest.fixture
def desk(restorer, monkeypatch) -> PhotoDesk:
    monkeypatch.setitem(FACE_DETECTORS.module_dict, 'MTCNNDetector', MarkerDetector)
    return PhotoDesk(restorer)


@pytest.fixture
def photo(tmp_path) -> Path:
    pixels = np.full((120, 220, 3), 100, np.uint8)
    pixels[:, ::4] = 60
    for crop in CROPS:
        draw_marker(pixels, crop)
    path = tmp_path / 'street.png'
    Image.fromarray(pixels).save(path)
    return path


def test_faces_are_found_and_marked(desk, photo, tmp_path) -> None:
    marked, faces = desk.find(photo)
    assert [round(face.crop.side) for face in faces] == pytest.approx([80, 60], abs=4)
    changed = np.flatnonzero((marked != np.asarray(Image.open(photo))).any((0, 2)))
    assert changed.min() == pytest.approx(20, abs=6) and changed.max() == pytest.approx(200, abs=6)
    Image.fromarray(background(60, 60)).save(tmp_path / 'empty.png')
    # The options of the command do not apply.
    with pytest.raises(ImageError, match=r'^empty\.png: no face found \(.*\); .* tab Cropped face$'):
        desk.find(tmp_path / 'empty.png')


def test_only_chosen_faces_are_restored_with_the_strength(desk, photo, restorer, tmp_path) -> None:
    pixels = np.asarray(Image.open(photo))
    expected = PhotoRestorer(restorer, MarkerDetector())(pixels, [CROPS[1]]).photo
    view = desk.restore(photo, CROPS, [1], restorer.name)
    np.testing.assert_array_equal(view.after, expected)
    np.testing.assert_array_equal(view.given.pixels, pixels)
    ((number, face),) = view.faces.items()
    assert number == 1 and face.crop == CROPS[1]
    half = desk.restore(photo, CROPS, [1], restorer.name, strength=0.5).after
    assert np.abs(half - (pixels.astype(float) + expected) / 2).max() <= 0.5
    first, archive = view.write(tmp_path)
    np.testing.assert_array_equal(np.asarray(Image.open(first)), expected)
    with zipfile.ZipFile(archive) as packed:
        assert packed.namelist() == ['faces/1.png']
        stored = np.asarray(Image.open(io.BytesIO(packed.read('faces/1.png'))))
    np.testing.assert_array_equal(stored, face.restoration.face)


def test_download_keeps_transparency_and_bit_depth(desk, photo, restorer, tmp_path) -> None:
    pixels = np.asarray(Image.open(photo))
    alpha = np.tile(np.arange(220, dtype=np.uint8), (120, 1))
    Image.fromarray(np.dstack([pixels, alpha])).save(tmp_path / 'alpha.png')
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(tmp_path / 'deep.png')
    stored = {}
    for name in ('street', 'alpha', 'deep'):
        view = desk.restore(tmp_path / f'{name}.png', CROPS, [0], restorer.name)
        stored[name] = np.asarray(Image.open(view.write(tmp_path)[0]))
    np.testing.assert_array_equal(stored['alpha'], np.dstack([stored['street'], alpha]))
    # not white, the result if 16-bit values are clipped at 255
    np.testing.assert_array_equal(stored['deep'][:, 200:], np.repeat(pixels[:, 200:, :1], 3, 2))
    assert (stored['deep'] == stored['deep'][..., :1]).all()


def test_invalid_choices_are_refused(desk, photo, restorer) -> None:
    with pytest.raises(ConfigError, match='Choose at least one face'):
        desk.restore(photo, CROPS, [], restorer.name)
    with pytest.raises(ConfigError, match='not the faces of this photo'):
        desk.restore(photo, CROPS, [len(CROPS)], restorer.name)
    with pytest.raises(ConfigError, match='choose one of'):
        desk.restore(photo, CROPS, [0], '/etc/passwd')
    with pytest.raises(ConfigError, match='faces of this photo are not known'):
        desk.restore(photo, [], [], restorer.name)
    for strength in (2, 0):
        with pytest.raises(ConfigError, match=r'Strength: expected 0\.05 to 1'):
            desk.restore(photo, CROPS, [0], restorer.name, strength=strength)


def test_result_without_a_change_is_refused(desk, photo, restorer, monkeypatch) -> None:
    monkeypatch.setattr(photo_views, 'with_strength', lambda before, after, strength: before)
    with pytest.raises(ImageError, match=r'^street\.png: the strength 0\.05 is too small'):
        desk.restore(photo, CROPS, [0], restorer.name, strength=0.05)


def test_notes_name_the_faces_by_their_numbers() -> None:
    first, second, third = (FaceCrop(x, 50, 30) for x in (20, 60, 100))
    places = {place_of(crop): number for number, crop in enumerate((first, second, third))}
    clear = 'shows no detectable veil or streaks (T = {}, S = 0.01), and was not changed'
    faces = [f'{place_of(first)} {clear.format(0.96)}', f'{place_of(third)} {clear.format(0.99)}']
    assert by_face([*faces, 'the background has rain'], places) == [
        'faces 0, 2: each shows no detectable veil or streaks, and was not changed', 'the background has rain',
    ]  # fmt: skip
    # Only the values of T and S may differ.
    small = [f'{place_of(crop)} is {side} pixels wide' for crop, side in ((first, 5), (second, 6))]
    assert by_face(small, places) == ['face 0 is 5 pixels wide', 'face 1 is 6 pixels wide']


def test_failure_names_the_faces_by_their_numbers(desk, photo, restorer) -> None:
    crops = [FaceCrop(60, 60, 80), FaceCrop(100, 60, 5), FaceCrop(120, 60, 6)]
    reason = 'none of its faces can be restored: face 1 is 5 pixels wide, .*; face 2 is 6 pixels wide, [^;]*$'
    with pytest.raises(ImageError, match=f'^street.png: {reason}'):
        desk.restore(photo, crops, [1, 2], restorer.name)


def test_video_as_a_photo_is_refused(desk, tmp_path) -> None:
    (tmp_path / 'gate.mp4').write_bytes(b'\0\0\0\x18ftypisom' + bytes(100))
    with pytest.raises(ImageFileError, match=r'^gate\.mp4: is a video; use the tab Video$'):
        desk.find(tmp_path / 'gate.mp4')


def test_model_for_whole_images_is_refused() -> None:
    with pytest.raises(ConfigError, match=r'hrrm_scenes restores whole images .*; the page needs a model for faces'):
        PhotoDesk(Restorer('hrrm_scenes', device='cpu'))


def test_models_are_in_the_zoo_and_the_given_one_comes_first(desk, restorer) -> None:
    assert MODELS.keys() <= models().keys()
    assert list(desk.models()) == [restorer.name, *MODELS]


def test_image_as_a_video_is_refused(desk, restorer, photo, tmp_path) -> None:
    with pytest.raises(ImageError, match=r'^street\.png: is an image; use the tab Photo'):
        desk.restore_clip(photo, tmp_path, restorer.name)


def test_rain_of_a_photo_is_estimated_once(monkeypatch, photo) -> None:
    monkeypatch.setitem(FACE_DETECTORS.module_dict, 'MTCNNDetector', MarkerDetector)
    desk = PhotoDesk(Restorer('fcg_gan_blind_x4', device='cpu'))
    calls = []
    own = photos.derained
    monkeypatch.setattr(photos, 'derained', lambda *given: calls.append(given) or own(*given))
    _, faces = desk.find(photo)
    desk.restore(photo, [face.crop for face in faces], [0], 'fcg_gan_blind_x4')
    assert len(calls) == 1


def test_video_is_restored(desk, restorer, tmp_path, monkeypatch) -> None:
    clips = pytest.importorskip('clips')
    frame = background(96, 128)
    draw_marker(frame, FaceCrop(60, 48, 56))
    clips.write_clip(tmp_path / 'gate.mov', [frame] * 6, sound=True)
    (tmp_path / 'out').mkdir()
    target, result = desk.restore_clip(tmp_path / 'gate.mov', tmp_path / 'out', restorer.name)
    assert target.name == 'gate_restored.mp4' and result.faces == 6
    assert len(clips.read_clip(target)[0]) == 6 and clips.audio(target)
    clips.write_clip(tmp_path / 'empty.mp4', [background(96, 128)] * 2)
    with pytest.raises(ImageError, match=r'^empty\.mp4: no face found in any of its 2 frames$'):
        desk.restore_clip(tmp_path / 'empty.mp4', tmp_path / 'out', restorer.name)
    monkeypatch.setattr(photo_views, 'MAX_CLIP_SECONDS', 0.2)
    with pytest.raises(ImageError, match=r'^gate\.mov: is longer than 0\.2 s'):
        desk.restore_clip(tmp_path / 'gate.mov', tmp_path / 'out', restorer.name)
    monkeypatch.setattr(photo_views, 'MAX_CLIP_BYTES', 100)
    with pytest.raises(ImageError, match=r'^gate\.mov: exceeds the limit'):
        desk.restore_clip(tmp_path / 'gate.mov', tmp_path / 'out', restorer.name)
    (tmp_path / 'words.mp4').write_bytes(b'these are words')
    with pytest.raises(ImageError, match=r'^words\.mp4: cannot be decoded as a video'):
        desk.restore_clip(tmp_path / 'words.mp4', tmp_path / 'out', restorer.name)
