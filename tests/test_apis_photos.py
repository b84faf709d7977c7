"""Whole photos: faces have the output of the network, other pixels do not change, and problems are noted."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scenes import MarkerDetector, draw_marker, scene

from rainrestore.apis import ImageError, PhotoPreview, PhotoRestorer, Restorer, derain, draw_faces
from rainrestore.apis.derain import Derained, derained
from rainrestore.benchmark.scenes import background, crop_of
from rainrestore.errors import CheckpointError, ConfigError
from rainrestore.faces import DetectedFace, FaceCrop, cut, soft_mask
from rainrestore.faces.fusion import Decision, RainEstimate, SceneRain
from rainrestore.faces.mtcnn import MTCNNDetector
from rainrestore.physics import RainRanges, draw_scene, forward, quantise, resize, seeded_rng

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope='module')
def bicubic() -> Restorer:
    """The fastest method; it removes no rain."""
    return Restorer(ROOT / 'configs' / 'references' / 'bicubic_x4.py', device='cpu')


@pytest.fixture(scope='module')
def fcg_gan() -> Restorer:
    return Restorer('fcg_gan_x4', device='cpu')


def by_hand(bicubic: Restorer, **options) -> PhotoRestorer:
    """A restorer of given crops."""
    return PhotoRestorer(bicubic, boxes={}, **options)


def marked(height: int, width: int, *crops: FaceCrop) -> np.ndarray:
    photo = background(height, width)
    for crop in crops:
        draw_marker(photo, crop)
    return photo


def test_faces_are_the_output_of_the_network_and_the_rest_is_the_photo(bicubic) -> None:
    photo = scene(150, 220, [(10, 20, 32), (80, 30, 96)])
    crops = [crop_of((10, 20, 32)), crop_of((80, 30, 96))]
    result = by_hand(bicubic)(photo, crops)
    assert result.photo.shape == photo.shape and result.photo.dtype == np.uint8 and result.notes == ()
    for face, crop in zip(result.faces, crops, strict=True):
        assert face.crop == crop
        expected = bicubic(np.ascontiguousarray(cut(photo, crop)), maps=True)
        np.testing.assert_array_equal(face.restoration.face, expected.face)
        np.testing.assert_array_equal(face.restoration.I, expected.I)
    x, y = np.meshgrid(np.arange(220) + 0.5, np.arange(150) + 0.5)
    outside = np.all([np.hypot(x - crop.x, y - crop.y) > crop.side / 2 + 1 for crop in crops], 0)
    np.testing.assert_array_equal(result.photo[outside], photo[outside])
    # In the middle of the large face: the output, resized to the photo.
    large = np.rint(resize(result.faces[1].restoration.face, 96, 96) * 255)
    np.testing.assert_allclose(result.photo[30:126, 80:176][30:66, 30:66], large[30:66, 30:66], atol=1)


def test_unusual_faces_are_found(bicubic) -> None:
    """Many, rotated, tiny and huge faces, and faces at the border, each with its note."""
    restorer = PhotoRestorer(bicubic, MarkerDetector())
    result = restorer(marked(200, 320, FaceCrop(60, 100, 90), FaceCrop(220, 90, 60), FaceCrop(285, 150, 40)))
    assert [round(face.crop.side) for face in result.faces] == pytest.approx([90, 60, 40], abs=2)
    turned = restorer(marked(160, 160, FaceCrop(80, 80, 100, 90)))
    assert turned.faces[0].crop.angle == pytest.approx(90, abs=2)
    border = restorer(marked(160, 160, FaceCrop(20, 80, 90)))
    assert border.notes == (
        'the face at (20, 80) is at the border: 28% of its square is filled with the mirrored photo',
    )
    huge = restorer(marked(500, 500, FaceCrop(250, 250, 480)))
    assert huge.notes == (
        'the face at (250, 250) is shown 3.8 times larger than its restored size, softer than the photo around it',
    )


def test_enlarged_face_is_noted(fcg_gan) -> None:
    photo = draw_scene(scene(240, 240, [(20, 20, 200)]) / np.float32(255), RainRanges(), seeded_rng(0, 'a'), 200).I
    result = PhotoRestorer(fcg_gan, boxes={})(photo, [crop_of((20, 20, 200))])
    assert result.notes[0] == (
        'the face at (120, 120) is shown 1.6 times larger than its restored size, with its finest detail from the photo'
    )


@pytest.mark.parametrize(('height', 'width', 'smallest'), [(40, 60, 24), (1000, 1400, 24), (3000, 4000, 69)])
def test_message_has_the_smallest_face_of_this_photo(bicubic, monkeypatch, height, width, smallest) -> None:
    """The copy in which a large photo is searched has 4 million pixels; there a face needs 40 pixels."""
    restorer = PhotoRestorer(bicubic, MTCNNDetector())
    assert smallest == max(24, round(40 * (height * width / 4e6) ** 0.5))
    monkeypatch.setattr(MTCNNDetector, '__call__', lambda self, photo: [])
    with pytest.raises(ImageError, match=rf'searched upright and rotated, from {smallest} pixels'):
        restorer(np.zeros((height, width, 3), np.uint8))


def test_unrestored_faces_are_noted(bicubic) -> None:
    photo = background(100, 100)
    restorer = PhotoRestorer(bicubic, MarkerDetector())
    with pytest.raises(ImageError, match=r'the image: no face found \(searched upright and rotated, from 16'):
        restorer(photo)
    tiny, outside, whole = FaceCrop(30, 30, 6), FaceCrop(150, 30, 60), FaceCrop(60, 60, 40)
    with pytest.raises(
        ImageError, match=r'none of its faces.*\(30, 30\) is 6 pixels wide, too small.*outside of the 100x100'
    ):
        restorer(photo, [tiny, outside])
    result = restorer(photo, [tiny, whole, outside])
    assert [face.crop for face in result.faces] == [whole] and len(result.notes) == 2
    np.testing.assert_array_equal(result.photo[26:34, 26:34], photo[26:34, 26:34])


def test_boxes_replace_the_search_and_need_no_detector(bicubic, tmp_path) -> None:
    photo = background(90, 90)
    restorer = PhotoRestorer(bicubic, 'NoSuchDetector', boxes={tmp_path / 'a.png': [crop_of((20, 20, 40))]})
    (result,) = restorer.restore([photo], [str(tmp_path / 'sub' / '..' / 'a.png')])
    assert result.faces[0].crop == crop_of((20, 20, 40)) and result.faces[0].score == 1
    with pytest.raises(ImageError, match=r'b\.png: the file of boxes has no line for this photo'):
        restorer.restore([photo], [str(tmp_path / 'b.png')])


def test_fingerprint_depends_on_everything_that_changes_the_result(bicubic, fcg_gan) -> None:
    def fingerprint(restorer: Restorer = bicubic, detector: object = None, **options) -> str:
        return PhotoRestorer(restorer, detector or MarkerDetector(), **options).fingerprint

    boxes = {Path('/a.png'): [crop_of((0, 0, 9))]}
    made = [
        fingerprint(), fingerprint(fcg_gan), fingerprint(turns=()), fingerprint(boxes={}), fingerprint(boxes=boxes),
        fingerprint(boxes={Path('/a.png'): [crop_of((0, 0, 8))]}), fingerprint(fcg_gan, background='derain'),
        bicubic.fingerprint,
    ]  # fmt: skip
    assert len(set(made)) == len(made)
    assert fingerprint() == made[0] and fingerprint(boxes=dict(boxes)) == made[4]


def test_unknown_background_is_refused(bicubic) -> None:
    with pytest.raises(ConfigError, match="'keep' or 'derain', got 'blur'"):
        by_hand(bicubic, background='blur')
    assert derain(bicubic, background(40, 40)) is None
    # Another network derains the background.
    assert by_hand(bicubic, background='derain').derain(background(40, 40)).photo.shape == (40, 40, 3)


def test_several_photos_in_any_form_are_restored(bicubic, tmp_path) -> None:
    photo = marked(80, 90, FaceCrop(40, 40, 60))
    restorer = PhotoRestorer(bicubic, MarkerDetector())
    expected = restorer(photo).photo
    several = restorer([photo, photo / np.float32(255), torch.from_numpy(photo).permute(2, 0, 1)])
    for result in several:
        np.testing.assert_array_equal(result.photo, expected)


class KnownVeil:
    """A network with known T and A, which inverts a veil exactly."""

    predicts = frozenset({'J', 'T'})
    size, known_transmission, estimates_rain = 32, 0.6, True

    def __init__(self, transmission: float = 0.4, airlight: float = 0.8) -> None:
        self.transmission, self.airlight = transmission, airlight
        self.sizes: set = set()

    def remove_rain(self, tiles, **options):
        self.sizes.add(tiles.shape[1:3])
        assert len(tiles) <= derained.__globals__['BATCH']
        return {'J': (tiles - (1 - self.transmission) * self.airlight) / self.transmission,
                'T': np.full_like(tiles[..., :1], self.transmission)}  # fmt: skip


@pytest.mark.parametrize(('height', 'width'), [(100, 130), (32, 32), (33, 57), (9, 200)])
def test_blended_tiles_equal_the_whole_photo(height, width) -> None:
    clean = background(height, width)
    veiled = quantise(forward(clean / np.float32(255), np.float32(0), np.float32(0.4), np.float32(0.8)))
    network = KnownVeil()
    assert np.abs(derain(network, veiled).astype(int) - clean).max() <= 2  # quantisation divided by T
    assert network.sizes == {(min(height, 32), min(width, 32))}


def test_large_photo_keeps_its_details(monkeypatch) -> None:
    """The network gets a reduced photo, but the result has the details of the full photo."""
    clean = np.random.default_rng(0).integers(0, 256, (90, 140, 3), np.uint8)
    veiled = quantise(forward(clean / np.float32(255), np.float32(0), np.float32(0.4), np.float32(0.8)))
    monkeypatch.setitem(derained.__globals__, 'MAX_PIXELS', 40 * 50)
    assert np.abs(derain(KnownVeil(), veiled).astype(int) - clean).max() <= 2


@pytest.mark.parametrize(('trained', 'changed'), [((0.61, 1.0), False), ((1.0, 0.61), False), ((1.0, 1.0), True)])
def test_thin_veil_needs_two_networks_trained_with_its_transmission(fcg_gan, monkeypatch, trained, changed) -> None:
    """Both the estimator of the rain and the restoring network must be trained with T = 0.66."""
    estimator = KnownWeather(0.01, 0.66)
    estimator.maps['J'] = (3, 0.5)
    monkeypatch.setattr(fcg_gan, 'known_transmission', trained[0])
    estimator.known_transmission = trained[1]
    photo = background(80, 80).clip(60, 200)
    photos = PhotoRestorer(fcg_gan, boxes={})
    photos.estimator = estimator
    result = photos.restore_faces(photo, [DetectedFace(crop_of((16, 16, 48)))])
    assert bool(result.faces[0].weight) == changed


def test_rain_of_faces_in_a_batch_is_that_of_each_face() -> None:
    """Faces of several sizes in one call; those below the size of the training are enlarged, and J is in their size."""
    network = Restorer('hrrm_x4', batch_size=2)
    rng = np.random.default_rng(0)
    images = [rng.random((side, side, 3), np.float32) for side in (32, 20, 32, 48, 32, 20)]
    for image, estimate in zip(images, network.estimate_rain(images), strict=True):
        given = resize(image, 32, 32).clip(0, 1) if len(image) < 32 else image
        alone = {name: found[0] for name, found in network.remove_rain(given[None]).items()}
        for name in 'JSTA':
            expected = resize(alone[name], len(image), len(image)) if len(image) < 32 else alone[name]
            np.testing.assert_allclose(getattr(estimate, name), expected.clip(0, 1), atol=1e-5)


@pytest.mark.parametrize('name', ['hrrm_scenes', 'hrrm_mixture_x4', 'fcg_gan_x4', 'heavy_rain_removal_x4'])
def test_rain_without_j_has_the_same_maps(name: str) -> None:
    """Only a network in which nothing else depends on J omits it: the gate of a mixture needs J."""
    network = Restorer(name)
    tiles = np.random.default_rng(0).random((2, 32, 32, 3), np.float32)
    full, rain = network.remove_rain(tiles), network.remove_rain(tiles, derained=False)
    assert ('J' in rain) == (name in ('hrrm_mixture_x4', 'heavy_rain_removal_x4'))
    for symbol in 'STA':
        np.testing.assert_array_equal(rain[symbol], full[symbol])


def test_scene_is_restored_without_the_decoder_of_j() -> None:
    network = Restorer('hrrm_scenes')
    network.model.rain_removal.lr_decoder = None
    assert derained(network, background(70, 90)).rain is not None


class KnownWeather:
    """A network for scenes with given S, T and A."""

    predicts = frozenset({'J', 'S', 'T', 'A'})
    size, known_transmission, estimates_rain = 48, 1.0, True

    def __init__(self, streaks: float, transmission: float, airlight: float = 0.8) -> None:
        self.maps = {'S': (3, streaks), 'T': (1, transmission), 'A': (3, airlight)}

    def remove_rain(self, tiles, derained=True):
        return {name: np.full((*tiles.shape[:3], channels), value, np.float32)
                for name, (channels, value) in self.maps.items()}  # fmt: skip

    def estimate_rain(self, images):
        return [RainEstimate(*(self.remove_rain(image[None])[name][0] for name in 'JSTA')) for image in images]


def dark_scene(height: int, width: int) -> np.ndarray:
    """Colours with a black pixel in every window."""
    clean = background(height, width)
    clean[::8, ::8] = 0
    return clean


def test_clear_scene_is_unchanged() -> None:
    clean = dark_scene(90, 120)
    np.testing.assert_array_equal(derain(KnownWeather(0.02, 0.6), clean), clean)
    # Without dark pixels the dark channel cannot show haze; the network must also indicate it.
    pale = np.maximum(clean, 60)
    np.testing.assert_array_equal(derain(KnownWeather(0.02, 0.99), pale), pale)


@pytest.mark.parametrize('transmission', [0.3, 0.5, 0.8])
def test_transmission_follows_from_the_dark_channel(transmission) -> None:
    """T of the network is wrong. T of the dark channel is correct, except for the kept part of the veil."""
    clean = dark_scene(90, 120)
    T = np.float32(transmission)
    veiled = quantise(forward(clean / np.float32(255), np.float32(0), T, np.float32(0.8)))
    restored = derain(KnownWeather(0.02, 0.85), veiled).astype(int)
    # T^ = 1 - 0.95 (1 - T), and the J that follows from T^.
    found = 1 - 0.95 * (1 - transmission)
    expected = (veiled - (1 - found) * 0.8 * 255) / found
    assert np.abs(restored - expected)[20:-20, 20:-20].max() <= 3
    assert np.abs(restored - clean).mean() < np.abs(veiled.astype(int) - clean).mean() / 4


@pytest.mark.parametrize(('known', 'expected'), [(0.85, 0.55), (0.5, 0.718), (0.3, 0.544)])
def test_airlight_of_a_dense_veil_also_follows_from_the_dark_channel(known, expected) -> None:
    """D = 0.5 * 0.8: for T = 0.5, A = 0.2 * 0.55 + 0.8 * 0.95 * 0.4 / 0.5. The A of the network is the lower bound."""
    clean = dark_scene(90, 120)
    veiled = quantise(forward(clean / np.float32(255), np.float32(0), np.float32(0.5), np.float32(0.8)))
    network = KnownWeather(0.0, known, airlight=min(expected, 0.55))
    assert derained(network, veiled).rain.airlight == pytest.approx(expected, abs=0.006)


def test_dark_scene_is_brightened_for_the_network() -> None:
    dark = dark_scene(60, 60) // 6
    seen = []

    class Seeing(KnownLines):
        def remove_rain(self, tiles, derained=True):
            seen.append(tiles.mean())
            return super().remove_rain(tiles, derained)

    rainy = dark + np.rint(lines(60) * 9).astype(np.uint8)
    gain = min(0.45 * 255 / rainy.mean(), 255 / np.quantile(rainy, 0.99))
    restored = derained(Seeing(0.15, 0.99), rainy)
    assert seen[0] == pytest.approx(gain * rainy.mean() / 255, rel=0.1) and gain > 2
    streaks = np.broadcast_to(0.99 * 0.15 / gain * lines(60), rainy.shape)
    np.testing.assert_allclose(restored.rain.streaks, streaks, atol=1e-3)
    assert restored.rain.airlight == pytest.approx(0.8 / gain, rel=0.01)


@pytest.mark.parametrize(('known', 'expected'), [(0.85, 0.85), (0.3, 0.43)])
def test_network_bounds_the_veil_of_a_grey_scene(known, expected) -> None:
    """Without black, the dark channel interprets brightness as a veil: T = 1 - 0.95 * 0.48 / 0.8."""
    wall = np.full((60, 60, 3), round(0.48 * 255), np.uint8)
    assert derained(KnownWeather(0.0, known), wall).transmission == pytest.approx(expected, abs=0.02)


class KnownLines(KnownWeather):
    """S has vertical lines with the given mean."""

    def remove_rain(self, tiles, derained=True):
        maps = super().remove_rain(tiles, derained)
        return {**maps, 'S': maps['S'] * lines(tiles.shape[2])}


def lines(width: int) -> np.ndarray:
    """Lines with a mean of 1 and a period of 4 columns, a divisor of the distance of tiles."""
    return np.resize(np.float32([0, 1, 2, 1]), width)[None, :, None]


def test_streaks_of_a_scene_are_removed_according_to_their_strength() -> None:
    clean = dark_scene(60, 60) // 2
    rainy = clean + np.uint8(100)
    rainy[::8, ::8] = 0
    for streaks, taken in ((0.02, 0), (0.04, 0.5), (0.15, 1)):
        expected = (rainy / 255 - taken * streaks * lines(60)).clip(0, 1) * 255
        assert np.abs(derain(KnownLines(streaks, 0.99), rainy) - expected).max() <= 1
    # Without a common direction, S is noise.
    np.testing.assert_array_equal(derain(KnownWeather(0.15, 0.99), rainy), rainy)


def test_streaks_of_a_scene_are_grey() -> None:
    """The predicted S of a scene is stronger in blue. The same light is subtracted from each channel."""

    class Coloured(KnownLines):
        def remove_rain(self, tiles, derained=True):
            maps = super().remove_rain(tiles, derained)
            return {**maps, 'S': maps['S'] * np.float32([0.5, 1, 1.5])}

    # Bright enough that no difference is clipped; the black pixels show that there is no veil.
    rainy = background(60, 60).clip(150, 230)
    rainy[::8, ::8] = 0
    change = (rainy.astype(int) - derain(Coloured(0.1, 0.99), rainy))[1::8]
    assert change.max() > 40 and np.abs(change - change[..., :1]).max() <= 1


@pytest.mark.parametrize('transmission', [0.35, 0.6])
def test_overestimated_streaks_hardly_hide_a_veil(transmission) -> None:
    """The predicted lines cross the black pixels of a scene without streaks. Subtracting T S would raise T by 0.1."""
    clean = np.maximum(background(60, 60), 40)
    clean[::8, 2::8] = 0
    T = np.float32(transmission)
    veiled = quantise(forward(clean / np.float32(255), np.float32(0), T, np.float32(0.8)))
    found = derained(KnownLines(0.08, transmission), veiled).transmission
    assert found == pytest.approx(1 - 0.95 * (1 - transmission), abs=0.06)


@pytest.mark.parametrize('largest', [10**6, 45 * 60])
def test_rain_of_a_crop_equals_that_of_the_photo(monkeypatch, largest) -> None:
    """T S over a crop, also for maps of a smaller copy."""
    clean = dark_scene(90, 120)
    rainy = clean + np.uint8(30)
    monkeypatch.setitem(derained.__globals__, 'MAX_PIXELS', largest)
    network = KnownWeather(0.0, 0.9)
    ramp = np.linspace(0.1, 0.3, 120, dtype=np.float32)[None, :, None].repeat(90, 0).repeat(3, 2)
    monkeypatch.setitem(derained.__globals__, 'rain_maps', lambda _, image, *names: [
        {'S': resize(ramp, *image.shape[:2]), 'T': np.full((*image.shape[:2], 1), 0.9, np.float32),
         'A': np.full_like(image, 0.8)}[name] for name in names])  # fmt: skip
    scene = derained(network, rainy).rain_over(crop_of((60, 30, 40)))
    assert scene.certain == 1 and scene.streaks.shape == (40, 40, 3) and scene.transmission.shape == (40, 40, 1)
    np.testing.assert_allclose(scene.streaks, 0.9 * ramp[30:70, 60:100], atol=0.005)


@pytest.mark.slow
@pytest.mark.parametrize('side', [64, 128])
def test_streaks_over_a_large_face_are_removed(side) -> None:
    """Streaks without a veil are hardly visible in an input of 32 pixels."""
    face = (side // 2, side // 2, side)
    clean = scene(2 * side, 2 * side, [face])
    drawn = draw_scene(
        clean / np.float32(255), RainRanges(beta=(0, 0), layers=1), seeded_rng(0, 'fine'), face_side=side
    )
    rainy = quantise(drawn.I)
    crop = crop_of(face)
    restored = PhotoRestorer(Restorer('fcg_gan_blind_x4', device='cpu'), boxes={})(rainy, [crop]).photo
    inner = soft_mask(side) > 0.5
    before, after = (
        np.square(cut(photo, crop).astype(float) - cut(clean, crop))[inner].mean() for photo in (rainy, restored)
    )
    assert after < before / 2


def test_bundled_network_removes_rain_from_a_scene(fcg_gan) -> None:
    """The restored scene is nearer to the ground truth, also in the background, and only the given pixels change."""
    faces = [(20, 15, 32), (70, 20, 48)]
    clean = scene(96, 140, faces)
    drawn = draw_scene(clean / np.float32(255), RainRanges(), seeded_rng(0, 'scene'), face_side=32)
    rainy = quantise(drawn.I)
    crops = [crop_of(face) for face in faces]

    def error(photo: np.ndarray) -> float:
        return float(np.square(photo.astype(float) - clean).mean())

    kept = PhotoRestorer(fcg_gan, boxes={}, background='keep')(rainy, crops)
    np.testing.assert_array_equal(kept.photo[80:], rainy[80:])
    derained = PhotoRestorer(fcg_gan, boxes={}, background='derain')(rainy, crops)
    automatic = PhotoRestorer(fcg_gan, boxes={})(rainy, crops)
    np.testing.assert_array_equal(automatic.photo, derained.photo)
    assert automatic.notes[-1] == 'the rain or haze of the background was removed, too (background: auto)'
    scenes = Restorer('hrrm_scenes', device='cpu')
    np.testing.assert_array_equal(derained.photo[80:], derain(scenes, rainy)[80:])
    assert error(derained.photo) < error(kept.photo) < error(rainy)
    assert error(derained.photo) < error(rainy) / 3


def test_derained_background_and_face_are_not_corrected_twice(fcg_gan) -> None:
    """The face region shows the restored face. In a background without rain, it must not become darker."""
    places = [(20, 30, 96), (170, 30, 64)]
    photo = scene(160, 260, places)
    crops = [crop_of(place) for place in places]
    rainy = quantise(0.5 * photo / 255 + 0.5 * 0.8)
    kept = PhotoRestorer(fcg_gan, boxes={})(rainy, crops).photo
    derained = PhotoRestorer(fcg_gan, boxes={}, background='derain')(rainy, crops).photo
    for left, top, side in places:
        inner = np.s_[top + side // 4 : top + 3 * side // 4, left + side // 4 : left + 3 * side // 4]
        error = {
            name: np.abs(image[inner].astype(float) - photo[inner]).mean()
            for name, image in (('rainy', rainy), ('kept', kept), ('derained', derained))
        }
        assert error['derained'] < error['rainy']
        assert abs(error['derained'] - error['kept']) < 4


def test_face_listed_twice_is_restored_once(fcg_gan) -> None:
    crop = crop_of((20, 30, 64))
    rainy = quantise(0.5 * scene(120, 160, [(20, 30, 64)]) / 255 + 0.4)
    once, twice = (PhotoRestorer(fcg_gan, boxes={})(rainy, crops) for crops in ([crop], [crop, crop]))
    assert np.array_equal(once.photo, twice.photo) and len(twice.faces) == twice.found == 1
    assert twice.notes[0].endswith('is listed twice; the second is ignored')
    marked = PhotoPreview(PhotoRestorer(fcg_gan, boxes={Path('two.png').resolve(): [crop, crop]})).preview(
        rainy, 'two.png'
    )
    assert marked.record()['found'] == 1 and marked.notes == twice.notes[:1]


def test_overlapping_faces_are_not_corrected_twice(fcg_gan) -> None:
    crop = crop_of((20, 30, 64))
    rainy = quantise(0.5 * scene(120, 160, [(20, 30, 64)]) / 255 + 0.4)
    once = PhotoRestorer(fcg_gan, boxes={})(rainy, [crop]).photo.astype(int)
    near = PhotoRestorer(fcg_gan, boxes={})(rainy, [crop, replace(crop, x=crop.x + 0.01)]).photo
    assert np.abs(near - once).mean() < 1


def test_model_can_be_given_by_its_name() -> None:
    photos = PhotoRestorer('fcg_gan_x4', boxes={})
    assert photos.fingerprint == PhotoRestorer(Restorer('fcg_gan_x4'), boxes={}).fingerprint
    with pytest.raises(CheckpointError, match='did you mean'):
        PhotoRestorer('fcg_gam_x4')


def test_path_as_model_is_read_like_in_the_restorer(tmp_path: Path) -> None:
    missing = tmp_path / 'none.py'
    with pytest.raises(ConfigError, match=r'none\.py'):
        PhotoRestorer(missing)


@pytest.mark.parametrize('model', [3, None, ['fcg_gan_x4']])
@pytest.mark.parametrize('build', [Restorer, PhotoRestorer])
def test_model_of_a_wrong_type_is_named(build: Any, model: Any) -> None:
    with pytest.raises(TypeError, match=r'(model|restorer) must be .* a Path or a Config, got '):
        build(model)


def test_haze_with_another_transmission_is_solved_again() -> None:
    """The veil (1 - T) A was measured; a wrong T only changes the contrast of J."""
    truth = quantise(0.8 * scene(60, 90, []) / np.float32(255))
    T = np.full((30, 45, 1), 0.5, np.float32)  # the maps of a smaller copy of the photo
    wrong, veil = T + np.float32(0.1), np.float32(0.5 * 0.7)
    hazy = np.float32(0.5) * truth / np.float32(255) + veil
    solved = quantise(((hazy - veil) / wrong[0, 0]).clip(0, 1))
    rain = SceneRain(np.zeros((30, 45, 3), np.float32), 0.0, wrong, 0.7)
    again = Derained(solved, 0.6, rain).with_transmission(-0.1)
    np.testing.assert_allclose(again.photo, truth, atol=1.5)
    assert again.transmission == pytest.approx(0.5)
    assert Derained(solved, 0.6).with_transmission(-0.1).photo is solved


def test_faces_calibrate_the_haze_of_the_scene() -> None:
    """In the photo, J of the background is nearer to the ground truth than J of the scene alone; a video keeps it."""
    face = (40, 30, 64)
    clean = scene(130, 150, [face])
    hazy = quantise(draw_scene(clean / np.float32(255), RainRanges(beta=(1, 1), layers=0), seeded_rng(0, 'h')).I)
    photos = PhotoRestorer('fcg_gan_blind_x4', boxes={})
    clear, faces = photos.derain(hazy), [DetectedFace(crop_of(face))]
    assert clear.rain.certain == 0 and not np.array_equal(clear.photo, hazy)
    found = photos.restore_faces(hazy, faces, clear).photo
    steady = photos.restore_faces(hazy, faces, clear, steady=lambda face, image: image).photo
    corner = np.s_[:20]
    np.testing.assert_array_equal(steady[corner], clear.photo[corner])

    def error(photo: np.ndarray) -> float:
        return float(np.square(photo[corner].astype(float) - clean[corner]).mean())

    assert error(found) < error(clear.photo) < error(hazy)


def test_rain_left_in_the_background_is_noted(fcg_gan) -> None:
    rainy = quantise(0.5 * scene(120, 160, [(20, 30, 64)]) / 255 + 0.4)
    faces = [DetectedFace(crop_of((20, 30, 64)))]
    photos = PhotoRestorer(fcg_gan, boxes={})
    derained = quantise(rainy / 255 * 0.9)
    kept = photos.restore_faces(rainy, faces, Derained(derained, 0.5))
    assert kept.faces[0].weight > 0
    assert kept.notes[-1] == 'the background has rain or haze, and was not changed (background: auto)'
    photos.background = 'derain'
    for clear in (Derained(rainy.copy(), 1.0), Derained(derained, 0.5)):
        assert not any('(background:' in note for note in photos.restore_faces(rainy, faces, clear).notes)
    photos.background = 'keep'
    assert not any('background' in note for note in photos.restore_faces(rainy, faces, Derained(rainy, 1.0)).notes)


@pytest.mark.parametrize(
    ('streaks', 'over_face', 'colour', 'derains'),
    [(0.0, 0.9, 1, False), (0.035, 0.9, 1, False), (0.05, 0.9, 1, True), (0.0, 0.45, 1, True), (0.0, 0.45, 0, False)],
)
def test_background_is_derained_in_certain_rain(fcg_gan, streaks, over_face, colour, derains) -> None:
    """Rain is certain with streaks, or with the same veil over the scene and a face that is not grey."""
    clean = dark_scene(120, 160) // 2 + np.uint8(40)
    if not colour:
        clean[...] = clean[..., 2:]
    veiled = quantise(forward(clean / np.float32(255), np.float32(0), np.float32(0.5), np.float32(0.8)))
    clear = derained(KnownLines(streaks, 0.5), veiled)
    assert not np.array_equal(clear.photo, veiled) and abs(clear.transmission - 0.5) < 0.1
    photos, faces = PhotoRestorer(fcg_gan, boxes={}), [DetectedFace(crop_of((20, 30, 64)))]
    [[(restoration, _)]] = photos.restore_crops([veiled], [faces], ['a'])
    estimator = KnownWeather(0.0, over_face)
    estimator.maps['J'] = (3, 0.5)
    estimated = list(zip([restoration], estimator.estimate_rain([restoration.I]), strict=True))
    result = photos.restore_faces(veiled, faces, clear, estimated=estimated).photo
    expected = clear.photo if derains else veiled
    # In haze without streaks, the face changes T.
    np.testing.assert_allclose(result[:20].astype(int), expected[:20], atol=5 if derains and not streaks else 0)
    photos.background = 'keep'
    np.testing.assert_array_equal(
        photos.restore_faces(veiled, faces, clear, estimated=estimated).photo[:20], veiled[:20]
    )


def test_face_without_rain_on_a_derained_background_is_noted(fcg_gan, monkeypatch) -> None:
    photo, crops = scene(120, 160, [(20, 30, 64)]), [crop_of((20, 30, 64))]
    monkeypatch.setattr('rainrestore.faces.fusion.decide', lambda rain, known: Decision(0.0, 0.0))
    with pytest.raises(ImageError, match=r'was not changed$'):
        PhotoRestorer(fcg_gan, boxes={})(photo, crops)
    result = PhotoRestorer(fcg_gan, boxes={}, background='derain')(photo, crops)
    assert result.notes[0].endswith('was changed only as the background')
    monkeypatch.setattr('rainrestore.apis.photos.derained', lambda remover, photo: Derained(photo.copy(), 1.0))
    reason = 'the background shows no detectable veil or streaks, and was not changed; the face .* and was not changed$'
    with pytest.raises(ImageError, match=reason):
        PhotoRestorer(fcg_gan, boxes={}, background='derain')(photo, crops)


def test_rain_that_the_model_does_not_remove_is_noted() -> None:
    clean, crops = scene(80, 160, [(8, 8, 64), (88, 8, 64)]), [crop_of((8, 8, 64)), crop_of((88, 8, 64))]
    rainy = clean.copy()
    drawn = draw_scene(clean / np.float32(255), RainRanges(beta=(0.9, 0.9)), seeded_rng(0, 'x'), face_side=64)
    rainy[:, 80:] = quantise(drawn.I)[:, 80:]
    photos = PhotoRestorer(Restorer('hifacegan_128', device='cpu'), boxes={})
    assert photos(clean, crops).notes == ()
    (note,) = photos(rainy, crops).notes
    assert note.startswith('the face at (120, 40) shows a veil')
    assert note.endswith(', which hifacegan_128 does not remove; use a model for the task faces')


def test_estimator_must_predict_the_rain(fcg_gan) -> None:
    with pytest.raises(ConfigError, match='the estimator srgan_x4 does not predict J, S, T and A; use another'):
        PhotoRestorer(fcg_gan, boxes={}, estimator=Restorer('srgan_x4', device='cpu'))


@pytest.mark.parametrize('side', [10, 16])
def test_small_faces_without_rain_are_unchanged(side) -> None:
    places = [(4 + 24 * column, 4 + 24 * row, side) for row in range(3) for column in range(4)]
    photo = scene(76, 100, places)
    photos = PhotoRestorer(Restorer('fcg_gan_blind_x4', device='cpu'), boxes={})
    result = photos.restore_faces(photo, [DetectedFace(crop_of(place)) for place in places])
    assert len(result.faces) == 12
    np.testing.assert_array_equal(result.photo, photo)


def test_strength_scales_all_changes(fcg_gan, monkeypatch) -> None:
    crops = [crop_of((20, 30, 64))]
    rainy = quantise(0.5 * scene(120, 160, [(20, 30, 64)]) / 255 + 0.4)
    monkeypatch.setattr(
        'rainrestore.apis.photos.derained', lambda remover, photo: Derained(quantise(photo / 255.0 - 0.2), 0.5)
    )
    full, quarter = (
        PhotoRestorer(fcg_gan, boxes={}, background='derain', strength=share)(rainy, crops) for share in (1, 0.25)
    )
    assert (rainy != full.photo).any(-1).mean() > 0.99
    np.testing.assert_allclose(quarter.photo, rainy + 0.25 * (full.photo.astype(float) - rainy), atol=0.51)
    assert quarter.faces[0].weight == 0.25 * full.faces[0].weight > 0


def test_small_strength_is_not_noted_as_absent_rain(fcg_gan) -> None:
    rainy = quantise(0.5 * scene(120, 160, [(20, 30, 64)]) / 255 + 0.4)
    result = PhotoRestorer(fcg_gan, boxes={}, strength=0.01)(rainy, [crop_of((20, 30, 64))])
    assert not any('face' in note for note in result.notes) and 0 < result.faces[0].weight <= 0.01
    assert (result.photo != rainy).any()


def test_tracked_face_is_held_only_where_a_face_is(fcg_gan) -> None:
    """After a face has left its place in a video, the background there is no face."""
    rainy = quantise(0.5 * scene(120, 160, [(20, 30, 64)]) / 255 + 0.4)
    photos, crop = PhotoRestorer(fcg_gan, boxes={}), crop_of((20, 30, 64))
    ((parsed, rain),) = photos.restore_crops([rainy], [[DetectedFace(crop)]], ['frame'])[0]
    inside = soft_mask(32) > 0.5
    parsings = {
        'face': np.eye(19, dtype=np.float32)[np.where(inside, 1, 0)],
        'background': np.eye(19, dtype=np.float32)[np.zeros((32, 32), int)],
        'anything': np.full((32, 32, 19), 1 / 19, np.float32),
        'colours': np.zeros((32, 32, 3), np.float32),
        'no parser': None,
    }
    changed = {}
    for name, parsing in parsings.items():
        for held in (False, True):
            found = [DetectedFace(crop, held=held)]
            result = photos.restore_faces(rainy, found, estimated=[(replace(parsed, parsing=parsing), rain)])
            changed[name, held] = len(result.faces), bool((result.photo != rainy).any())
    assert changed.pop(('background', True)) == changed.pop(('anything', True)) == (0, False)
    assert set(changed.values()) == {(1, True)}


def test_strength_that_changes_no_pixel_restores_nothing(fcg_gan) -> None:
    rainy = quantise(0.5 * scene(120, 160, [(20, 30, 64)]) / 255 + 0.4)
    with pytest.raises(ImageError, match=r'street: the strength 1e-05 is too small to change it; use a greater one'):
        PhotoRestorer(fcg_gan, boxes={}, strength=1e-5).restore_photo(rainy, 'street', [crop_of((20, 30, 64))])


def test_config_names_the_rain_estimator() -> None:
    blind = PhotoRestorer(Restorer('fcg_gan_blind_x4', device='cpu'))
    assert blind.restorer.estimates_rain and blind.estimator.name == 'hrrm_photos_x4'


def test_unsuitable_models_and_crops_are_refused(bicubic) -> None:
    with pytest.raises(ConfigError, match=r'raindrop_plus restores whole images \(task raindrops\)'):
        PhotoRestorer(Restorer('raindrop_plus', device='cpu'), boxes={})
    with pytest.raises(TypeError, match=r'crops must be a list, each item a FaceCrop or None, got \[\(1, 2, 3, 4\)\]'):
        by_hand(bicubic)(background(40, 40), [(1, 2, 3, 4)])


@pytest.mark.parametrize('shape, crop', [
    ((400, 600), FaceCrop(300, 200, 100)), ((1200, 1800), FaceCrop(900, 600, 90)),
    ((400, 600), FaceCrop(300, 30, 60)), ((90, 2000), FaceCrop(900, 50, 60)),
])  # fmt: skip
def test_number_of_a_marked_face_is_legible_in_a_small_copy(shape, crop) -> None:
    """The number has a height of at least 9 pixels in a copy of 375 pixels, or covers a tenth of a strip."""
    black = np.zeros((*shape, 3), np.uint8)
    marked = draw_faces(black, [DetectedFace(crop)])
    lines = draw_faces(black, [DetectedFace(crop), DetectedFace(crop)])
    # The numbers 0 and 1 are at the same place, so the squares cancel out.
    rows = np.nonzero((marked != lines).any(-1))[0]
    assert rows.min() > 0 and np.ptp(rows) >= min(9 * max(shape) / 375, min(shape) / 10)
    assert np.ptp(rows) < min(shape) / 3
    # Above the square, where the photo has room for it.
    assert rows.max() < crop.y - crop.side / 2 or crop.y - crop.side / 2 < np.ptp(rows) + 20
