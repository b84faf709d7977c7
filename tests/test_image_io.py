"""Every usual image format is read as the same RGB. The error for an invalid file names the file."""

from __future__ import annotations

import contextlib
import os
import pickle
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from rainrestore.errors import DatasetError, ImageFileError
from rainrestore.image_io import encode_png, find_images, list_images, read_image, read_mask, sixteen_bit, to_rgb


@pytest.fixture
def rgb() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (9, 14, 3), dtype=np.uint8)


def png(path: Path, bit_depth: int, colour_type: int, rows: np.ndarray) -> Path:
    """A PNG written byte by byte, for the kinds that Pillow does not write. ``rows``: big-endian samples, H x any."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))

    height, width = rows.shape[:2]
    header = struct.pack('>IIBBBBB', width, height, bit_depth, colour_type, 0, 0, 0)
    data = b''.join(b'\0' + row.astype('>u2').tobytes() for row in rows)
    path.write_bytes(
        b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) + chunk(b'IDAT', zlib.compress(data)) + chunk(b'IEND', b'')
    )
    return path


@pytest.mark.parametrize('suffix', ['png', 'bmp', 'tif', 'ppm'])
def test_rgb_of_lossless_formats_is_exact(tmp_path, rgb, suffix):
    Image.fromarray(rgb).save(tmp_path / f'a.{suffix}')
    got = read_image(tmp_path / f'a.{suffix}')
    np.testing.assert_array_equal(got, rgb)
    assert got.dtype == np.uint8 and got.flags.writeable and got.flags.c_contiguous


@pytest.mark.parametrize('suffix', ['png', 'jpg', 'webp', 'bmp', 'tif'])
def test_red_stays_red(tmp_path, suffix):
    Image.new('RGB', (16, 16), (255, 0, 0)).save(tmp_path / f'red.{suffix}')
    mean = read_image(tmp_path / f'red.{suffix}').mean(axis=(0, 1))
    assert mean[0] > 250 and mean[1] < 5 and mean[2] < 5


def test_grey_is_repeated_in_all_channels(tmp_path, rgb):
    Image.fromarray(rgb[:, :, 0]).save(tmp_path / 'g.png')
    np.testing.assert_array_equal(read_image(tmp_path / 'g.png'), np.repeat(rgb[:, :, :1], 3, axis=2))


def test_black_and_white_is_0_and_255(tmp_path, rgb):
    bits = rgb[:, :, 0] > 127
    Image.fromarray(bits).save(tmp_path / 'b.png')
    np.testing.assert_array_equal(read_image(tmp_path / 'b.png')[:, :, 1], bits * np.uint8(255))


def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path):
    values = np.linspace(0, 65535, 60).round().astype(np.uint16).reshape(6, 10)
    expected = np.round(values.astype(np.float64) / 257).astype(np.uint8)
    Image.fromarray(values).save(tmp_path / 'pillow.png')
    Image.fromarray(values).save(tmp_path / 'pillow.tif')
    png(tmp_path / 'hand.png', 16, 0, values)
    for name in ('pillow.png', 'pillow.tif', 'hand.png'):
        got = read_image(tmp_path / name)
        np.testing.assert_array_equal(got, np.repeat(expected[:, :, None], 3, axis=2))


def test_sixteen_bit_colour_keeps_black_white_and_all_8_bit_levels(tmp_path, rgb):
    path = png(tmp_path / 'c.png', 16, 2, rgb.astype(np.uint16) * 257)
    np.testing.assert_array_equal(read_image(path), rgb)


def test_palette_is_read_with_and_without_transparency(tmp_path):
    image = Image.new('P', (4, 4))
    image.putpalette([10, 20, 30, 200, 100, 50] + [0] * 762)
    image.putpixel((1, 2), 1)
    image.save(tmp_path / 'p.png')
    image.save(tmp_path / 't.png', transparency=0)
    got = read_image(tmp_path / 'p.png')
    assert got[0, 0].tolist() == [10, 20, 30] and got[2, 1].tolist() == [200, 100, 50]
    got = read_image(tmp_path / 't.png')
    assert got[0, 0].tolist() == [0, 0, 0] and got[2, 1].tolist() == [200, 100, 50]


@pytest.mark.parametrize('suffix', ['png', 'webp'])
def test_transparent_pixels_are_blended_with_black(tmp_path, rgb, suffix):
    rgba = np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])
    rgba[:, :7, 3] = 128
    rgba[0, 0, 3] = 0
    options = dict(lossless=True, exact=True) if suffix == 'webp' else {}
    Image.fromarray(rgba).save(tmp_path / f'a.{suffix}', **options)
    expected = rgba[:, :, :3] * (rgba[:, :, 3:] / 255.0)
    assert np.abs(read_image(tmp_path / f'a.{suffix}') - expected).max() <= 1


def test_grey_with_alpha_is_read(tmp_path):
    Image.new('LA', (3, 3), (77, 255)).save(tmp_path / 'la.png')
    assert (read_image(tmp_path / 'la.png') == 77).all()


def test_cmyk_is_not_inverted(tmp_path):
    for suffix in ('jpg', 'tif'):
        Image.new('RGB', (16, 16), (220, 40, 30)).convert('CMYK').save(tmp_path / f'c.{suffix}')
        assert np.abs(read_image(tmp_path / f'c.{suffix}').mean(axis=(0, 1)) - (220, 40, 30)).max() < 6


def test_exif_orientation_is_applied(tmp_path):
    image = Image.new('RGB', (24, 16), (255, 0, 0))
    image.paste((0, 0, 255), (12, 0, 24, 16))
    exif = Image.Exif()
    exif[0x0112] = 6  # the tag rotates the image by 90 degrees clockwise: the stored left becomes the top
    image.save(tmp_path / 'turned.jpg', exif=exif, quality=95)
    got = read_image(tmp_path / 'turned.jpg')
    assert got.shape == (24, 16, 3)
    assert got[3, 8, 0] > 200 > 60 > got[3, 8, 2] and got[20, 8, 2] > 200 > 60 > got[20, 8, 0]


def test_integers_and_floats_without_a_defined_white_are_refused(tmp_path):
    Image.fromarray(np.full((4, 4), 70000, np.int32)).save(tmp_path / 'i.tif')
    Image.fromarray(np.ones((4, 4), np.float32)).save(tmp_path / 'f.tif')
    for name in ('i.tif', 'f.tif'):
        with pytest.raises(ImageFileError, match=rf'{name}.*no defined white'):
            read_image(tmp_path / name)


@pytest.mark.parametrize('suffix', ['png', 'jpg', 'bmp', 'tif', 'webp'])
@pytest.mark.parametrize('share', [0.05, 0.5, 0.9])
@pytest.mark.parametrize('reader', [read_image, read_mask])
def test_truncated_files_are_refused(tmp_path, suffix, share, reader):
    path = tmp_path / f'cut.{suffix}'
    noise = np.random.default_rng(1).integers(0, 19, (96, 96), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ImageFileError, match=rf'cut\.{suffix}'):
        reader(path)


@pytest.mark.filterwarnings('ignore::UserWarning')  # Pillow's warning about damaged TIFF tags
@pytest.mark.filterwarnings('ignore::PIL.Image.DecompressionBombWarning')
def test_file_with_damaged_bytes_is_read_or_raises_an_image_error(tmp_path, rgb):
    """Half of the changes are in the header; one file in ten is also truncated."""
    rng = np.random.default_rng(2)
    image = Image.fromarray(rgb)
    exif = Image.Exif()
    exif[0x0112] = 6
    moving = dict(save_all=True, append_images=[image.transpose(Image.Transpose.ROTATE_180)])
    kinds = [
        *((image, suffix, {}) for suffix in ('png', 'jpg', 'tif', 'webp', 'bmp', 'ppm')),
        *((image, suffix, moving) for suffix in ('png', 'webp', 'gif')),
        *((image, 'jpg', {'exif': exif}), (image, 'png', {'exif': exif}), (image, 'tif', {'compression': 'tiff_lzw'})),
        *((image.convert('CMYK'), 'jpg', {}), (image.convert('P'), 'png', {'transparency': 3})),
        *((image, 'jpg', {'format': 'MPO', **moving}), (Image.fromarray(rgb[:, :, 0].astype(np.uint16)), 'png', {})),
    ]
    for kind, suffix, options in kinds:
        path = tmp_path / f'x.{suffix}'
        kind.save(path, **options)
        whole = np.frombuffer(path.read_bytes(), np.uint8)
        assert read_image(path).size == rgb.size
        for reach in (100, len(whole)) * 20:
            damaged = whole.copy()
            damaged[rng.integers(0, min(reach, len(whole)), 4)] = rng.integers(0, 256, 4)
            cut = rng.integers(0, len(whole)) if rng.random() < 0.1 else None
            path.write_bytes(damaged[:cut].tobytes())
            # Any other error fails the test.
            with contextlib.suppress(ImageFileError):
                read_image(path)


def test_formats_that_start_other_programs_are_refused(tmp_path):
    (tmp_path / 'script.png').write_bytes(b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 32\nshowpage\n')
    with pytest.raises(ImageFileError, match=r'script\.png: not a readable image'):
        read_image(tmp_path / 'script.png')


def test_pipes_and_link_loops_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / 'pipe.png')
    (tmp_path / 'loop.png').symlink_to(tmp_path / 'loop.png')
    for name, reason in (('pipe.png', 'is not a file'), ('loop.png', 'cannot be opened'), ('nul\0.png', 'null')):
        with pytest.raises(ImageFileError, match=reason):
            read_image(tmp_path / name)


@pytest.mark.parametrize(('mode', 'size'), [(np.uint8, 3), (np.uint8, 1), (np.uint16, 3), (np.uint16, 1)])
def test_encoded_png_is_decoded_exactly(tmp_path, mode, size):
    pixels = np.random.default_rng(0).integers(0, np.iinfo(mode).max, (5, 7, size), dtype=mode)
    (tmp_path / 'a.png').write_bytes(encode_png(pixels))
    back = cv2.imread(str(tmp_path / 'a.png'), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(back[..., ::-1] if size == 3 else back[..., None], pixels)
    assert back.dtype == mode


def test_sixteen_bits_are_rounded_to_the_nearest_level():
    values = np.array([0, 1, 0.5, 1 / 65535, 1.4 / 65535], np.float32)
    assert sixteen_bit(values).tolist() == [0, 65535, 32768, 1, 1]


@pytest.mark.parametrize('content', [b'', b'these are words, not pixels', b'\x89PNG\r\n\x1a\n', b'<html></html>' * 90])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / 'words.png'
    path.write_bytes(content)
    with pytest.raises(ImageFileError, match=r'words\.png: not a readable image'):
        read_image(path)


def test_format_that_is_not_read_is_to_be_converted(tmp_path):
    path = tmp_path / 'phone.heic'
    path.write_bytes(b'\0\0\0\x18ftypheic' + bytes(500))
    reason = 'not a readable image: damaged, or not PNG, JPEG, .*, AVIF; convert, replace or remove the file$'
    with pytest.raises(ImageFileError, match=rf'phone\.heic: {reason}'):
        read_image(path)


def test_missing_file_and_folder_are_refused(tmp_path):
    with pytest.raises(ImageFileError, match=r'none\.png: no such file'):
        read_image(tmp_path / 'none.png')
    (tmp_path / 'folder.png').mkdir()
    with pytest.raises(ImageFileError, match=r'folder\.png'):
        read_image(tmp_path / 'folder.png')


@pytest.mark.filterwarnings('ignore::PIL.Image.DecompressionBombWarning')
@pytest.mark.parametrize('limit', [100, 60])
def test_decompression_bombs_are_refused(tmp_path, rgb, monkeypatch, limit):
    Image.fromarray(rgb).save(tmp_path / 'bomb.png')  # 126 pixels: above the limit, and more than twice the limit
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', limit)
    with pytest.raises(ImageFileError, match=r'bomb\.png.*pixels'):
        read_image(tmp_path / 'bomb.png')


def test_caller_can_lower_the_pixel_limit(tmp_path, rgb):
    Image.fromarray(rgb).save(tmp_path / 'a.png')  # 126 pixels
    np.testing.assert_array_equal(read_image(tmp_path / 'a.png', max_pixels=126), rgb)
    with pytest.raises(ImageFileError, match=r'a\.png: 14x9 pixels exceed the limit of 125'):
        read_image(tmp_path / 'a.png', max_pixels=125)


def test_masks_are_read_from_grey_palette_and_equal_channels(tmp_path):
    labels = np.random.default_rng(0).integers(0, 19, (5, 7), dtype=np.uint8)
    Image.fromarray(labels).save(tmp_path / 'grey.png')
    palette = Image.fromarray(labels).convert('P')
    palette.putdata(labels.ravel().tolist())
    palette.putpalette(np.random.default_rng(1).integers(0, 256, 768).tolist())
    palette.save(tmp_path / 'palette.png')
    Image.fromarray(np.repeat(labels[:, :, None], 3, axis=2)).save(tmp_path / 'rgb.png')
    Image.fromarray(labels.astype(np.uint16)).save(tmp_path / 'sixteen.png')
    for name in ('grey.png', 'palette.png', 'rgb.png', 'sixteen.png'):
        got = read_mask(tmp_path / name)
        np.testing.assert_array_equal(got, labels)
        assert got.dtype == np.uint8


@pytest.mark.parametrize('label', [19, 255])
def test_labels_above_18_are_refused(tmp_path, label):
    mask = np.zeros((5, 5), np.uint8)
    mask[3, 2] = label
    Image.fromarray(mask).save(tmp_path / 'm.png')
    with pytest.raises(ImageFileError, match=rf'm\.png: has label {label}, expected 0\.\.18'):
        read_mask(tmp_path / 'm.png')


def test_labels_beyond_eight_bits_are_refused(tmp_path):
    Image.fromarray(np.full((5, 5), 256 + 3, np.uint16)).save(tmp_path / 'w.png')
    with pytest.raises(ImageFileError, match='has label 259'):
        read_mask(tmp_path / 'w.png')
    Image.fromarray(np.full((5, 5), 1.5, np.float32)).save(tmp_path / 'f.tif')
    with pytest.raises(ImageFileError, match='float pixels'):
        read_mask(tmp_path / 'f.tif')


def test_colour_masks_are_refused(tmp_path):
    Image.new('RGB', (5, 5), (204, 0, 0)).save(tmp_path / 'c.png')
    with pytest.raises(ImageFileError, match=r'c\.png: is a colour image'):
        read_mask(tmp_path / 'c.png')


def test_list_images_is_sorted_and_skips_other_files(tmp_path):
    for name in ('b.png', 'a.JPG', '.hidden.png', 'notes.txt', 'Thumbs.db'):
        (tmp_path / name).touch()
    (tmp_path / 'c.png').mkdir()
    assert [path.name for path in list_images(tmp_path)] == ['a.JPG', 'b.png']
    with pytest.raises(DatasetError, match='nowhere: no such folder'):
        list_images(tmp_path / 'nowhere')


def test_errors_can_be_pickled():
    error = pickle.loads(pickle.dumps(ImageFileError('a/b.png', 'is broken')))
    assert (error.name, error.reason, str(error)) == ('a/b.png', 'is broken', 'a/b.png: is broken')


def test_find_images_enters_folders_but_not_linked_folders(tmp_path):
    for name in ('b.png', 'sub/a.JPG', 'sub/deep/c.webp', '.hidden/d.png', 'sub/.e.png', 'out/f.png', 'sub/notes.txt'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / 'sub' / 'back').symlink_to(tmp_path)
    (tmp_path / 'broken.png').symlink_to(tmp_path / 'nowhere.png')
    found = find_images(tmp_path, skip=[tmp_path / 'sub' / '..' / 'out'])
    names = [path.relative_to(tmp_path).as_posix() for path in found]
    assert names == ['b.png', 'broken.png', 'sub/a.JPG', 'sub/deep/c.webp']
    with pytest.raises(DatasetError, match='nowhere: no such folder'):
        find_images(tmp_path / 'nowhere')


def test_side_above_the_png_limit_is_refused(tmp_path):
    """A result of this size could not be written."""
    for shape in ((1, 1_000_001), (1_000_001, 1)):
        Image.fromarray(np.zeros(shape, np.uint8)).save(tmp_path / 'long.tif')
        with pytest.raises(ImageFileError, match=r'long\.tif: .*the limit of a side is 1000000; crop the image'):
            read_image(tmp_path / 'long.tif')
    assert encode_png(np.zeros((1_000_000, 1, 1), np.uint8))


def test_upright_image_is_not_copied_and_a_rotated_input_is_not_changed(rgb):
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.fromarray(rgb)
    image.getexif().update(exif)
    assert to_rgb(image, 'a').shape == (14, 9, 3) and image.size == (14, 9)
