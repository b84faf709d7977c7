"""Unusual photos: other colour spaces, transparency, grey, extreme shapes, damage."""

import io
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms
from scenes import MarkerDetector, draw_marker

from rainrestore.apis import ImageError, PhotoRestorer, Restorer, plan_files, restore_files
from rainrestore.benchmark.scenes import background
from rainrestore.errors import ImageFileError
from rainrestore.faces import DetectedFace, FaceCrop, find_faces
from rainrestore.image_io import read_image, read_photo
from rainrestore.web.views import read_upload

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope='module')
def bicubic() -> Restorer:
    return Restorer(ROOT / 'configs' / 'references' / 'bicubic_x4.py', device='cpu')


def marked() -> np.ndarray:
    photo = background(100, 140)
    draw_marker(photo, FaceCrop(60, 50, 60))
    return photo


def restored(bicubic: Restorer, folder: Path) -> dict[str, np.ndarray]:
    photos = PhotoRestorer(bicubic, MarkerDetector())
    outcomes = list(restore_files(photos, plan_files([folder], folder / 'out')))
    assert [outcome.state for outcome in outcomes] == ['restored'] * len(outcomes), outcomes
    return {path.stem: np.asarray(Image.open(path)) for path in (folder / 'out' / 'restored').iterdir()}


@pytest.mark.parametrize('mode', ['RGB', 'RGBA'])
def test_colour_profiles_are_converted(tmp_path, mode) -> None:
    """A profile with red and blue exchanged exchanges the channels. No profile, sRGB, damaged and other profiles change
    nothing.
    """
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile('LAB')).tobytes()
    photo = background(20, 30)
    Image.fromarray(photo).convert(mode).save(tmp_path / 'plain.png')
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
    Image.fromarray(photo).convert(mode).save(tmp_path / 'srgb.png', icc_profile=srgb)
    Image.fromarray(photo).convert(mode).save(tmp_path / 'other_kind.png', icc_profile=lab)
    Image.fromarray(photo).convert(mode).save(tmp_path / 'damaged.png', icc_profile=srgb[:100])
    for name in ('plain', 'srgb', 'other_kind', 'damaged'):
        assert np.abs(read_image(tmp_path / f'{name}.png').astype(int) - photo).max() <= 1
    swapped = bytearray(srgb)
    red, blue = swapped.index(b'rXYZ'), swapped.index(b'bXYZ')
    swapped[red : red + 4], swapped[blue : blue + 4] = b'bXYZ', b'rXYZ'
    Image.fromarray(photo).convert(mode).save(tmp_path / 'swapped.png', icc_profile=bytes(swapped))
    for image in (read_image(tmp_path / 'swapped.png'), read_photo(tmp_path / 'swapped.png').pixels):
        assert np.abs(image.astype(int) - photo[..., ::-1]).max() <= 3


def test_transparency_and_grey_are_kept(bicubic, tmp_path) -> None:
    photo = marked()
    alpha = np.tile(np.linspace(0, 255, 140).astype(np.uint8), (100, 1))
    Image.fromarray(np.dstack([photo, alpha])).save(tmp_path / 'alpha.png')
    Image.fromarray(photo).save(tmp_path / 'plain.png')
    results = restored(bicubic, tmp_path)
    np.testing.assert_array_equal(results['alpha'][..., 3], alpha)
    np.testing.assert_array_equal(results['alpha'][..., :3], results['plain'])


def test_sixteen_bit_photo_is_pasted_like_an_eight_bit_photo(bicubic, tmp_path) -> None:
    pixels = marked()
    Image.fromarray(pixels[..., 0]).save(tmp_path / 'eight.png')
    for name in ('deep.png', 'deep.tif'):
        Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(tmp_path / name)
    boxes = {path.resolve(): [FaceCrop(60, 50, 60)] for path in tmp_path.iterdir()}
    photos = PhotoRestorer(bicubic, boxes=boxes)
    outcomes = list(restore_files(photos, plan_files([tmp_path], tmp_path / 'out')))
    assert [outcome.state for outcome in outcomes] == ['restored'] * 3, outcomes
    eight, *deep = (np.asarray(Image.open(path)) for path in sorted((tmp_path / 'out' / 'restored').iterdir())[::-1])
    for image in deep:
        np.testing.assert_array_equal(image, eight)


def test_grey_photo_stays_grey(tmp_path) -> None:
    class Colours(Restorer):
        """Returns a coloured face for any input."""

        def restore(self, images, names=None):
            results = super().restore(images, names)
            for result in results:
                result.face[..., 0] = 255
            return results

    crop = FaceCrop(60, 50, 60)
    Image.fromarray(background(100, 140)).convert('L').save(tmp_path / 'grey.png')
    tinting = Colours(ROOT / 'configs' / 'references' / 'bicubic_x4.py', device='cpu')
    photos = PhotoRestorer(tinting, boxes={(tmp_path / 'grey.png').resolve(): [crop]})
    list(restore_files(photos, plan_files([tmp_path / 'grey.png'], tmp_path / 'out')))
    for path in (tmp_path / 'out').rglob('*.png'):
        image = np.asarray(Image.open(path))
        assert (image == image[..., :1]).all()


@pytest.mark.parametrize('shape', [(8, 60_000), (60_000, 8), (40_000, 20)])
def test_strip_is_searched_without_a_larger_copy(bicubic, shape) -> None:
    strip = np.zeros((*shape, 3), np.uint8)
    sizes = []

    def detector(photo):
        sizes.append(photo.size)
        return []

    assert find_faces(detector, [strip]) == []
    assert max(sizes) <= strip.size
    with pytest.raises(ImageError, match='no face found'):
        PhotoRestorer(bicubic, MarkerDetector())(strip)


@pytest.mark.parametrize('side', [40_000, 400_000, 1e12])
def test_face_in_a_box_far_larger_than_the_photo_is_unchanged(bicubic, side) -> None:
    photo = marked()
    photos = PhotoRestorer(bicubic, boxes={})
    crops = [FaceCrop(60, 50, side), FaceCrop(60, 50, 60)]
    result = photos(photo, crops)
    assert [face.crop.side for face in result.faces] == [60]
    assert 'has 0% of its square in the photo and was not changed' in result.notes[0]
    with pytest.raises(ImageError, match='none of its faces can be restored'):
        photos(photo, crops[:1])
    assert photos.restore_faces(photo, [DetectedFace(crops[0])]).faces == ()


def test_page_refuses_an_image_beyond_the_size_limit_of_browsers(tmp_path) -> None:
    Image.fromarray(np.zeros((8, 17_000, 3), np.uint8)).save(tmp_path / 'strip.png')
    with pytest.raises(ImageFileError, match=r'strip\.png: 17000x8 pixels: the limit of a side is 16384'):
        read_upload(tmp_path / 'strip.png')


def test_decoders_print_nothing(tmp_path, capfd) -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 60, 3), np.uint8))
    read, failed = 0, 0
    for compression in ('tiff_lzw', 'tiff_deflate', 'packbits'):
        stream = io.BytesIO()
        image.save(stream, 'TIFF', compression=compression)
        for seed in range(40):
            data, draw = bytearray(stream.getvalue()), random.Random(seed)
            for _ in range(6):
                data[draw.randrange(len(data))] = draw.randrange(256)
            (tmp_path / 'damaged.tif').write_bytes(data)
            try:
                read_image(tmp_path / 'damaged.tif')
                read += 1
            except ImageFileError:
                failed += 1
    assert read and failed
    assert capfd.readouterr() == ('', '')
