"""Restore damaged image files and extreme shapes with the reader, the page and PhotoRestorer, in a separate process.

Prints one JSON object: the numbers of restored and refused files, the unexpected errors, the largest growth of memory
during a file in MiB, and the longest processor time of a file in seconds.
"""

import io
import json
import logging
import random
import re
import resource
import struct
import sys
import time
import traceback
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from scenes import portrait

from rainrestore.apis import FilePlan, PhotoRestorer, Restorer, restore_files
from rainrestore.errors import RainRestoreError
from rainrestore.faces import FaceCrop
from rainrestore.image_io import read_image
from rainrestore.physics import RainRanges, draw_scene, quantise, seeded_rng
from rainrestore.web.views import read_upload

BICUBIC = Path(__file__).resolve().parents[1] / 'configs' / 'references' / 'bicubic_x4.py'
SIDE = 48
#: One file in this number is also searched for faces, which takes most of the time.
SEARCHED = 30
EXTREME_NUMBERS = (0, 1, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def png(header: tuple[int, ...], data: bytes, *before: tuple[bytes, bytes]) -> bytes:
    """A PNG file of a header (width, height, bits, kind of colour, 0, 0, interlacing) and uncompressed rows."""
    chunks = [(b'IHDR', struct.pack('>IIBBBBB', *header)), *before, (b'IDAT', zlib.compress(data)), (b'IEND', b'')]
    packed = [
        struct.pack('>I', len(content)) + kind + content + struct.pack('>I', zlib.crc32(kind + content))
        for kind, content in chunks
    ]
    return b'\x89PNG\r\n\x1a\n' + b''.join(packed)


def whole_files() -> dict[str, list[bytes]]:
    """Suffix -> undamaged files of this kind."""
    clean = np.asarray(Image.fromarray(portrait(0)).resize((SIDE, SIDE)))
    pixels = quantise(draw_scene(clean / np.float32(255), RainRanges(), seeded_rng(0, 'damage')).I)
    image = Image.fromarray(pixels)
    alpha = Image.fromarray(np.dstack([pixels, pixels[..., 0]]))
    sixteen = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    grey, palette = image.convert('L'), image.convert('P')
    exif = Image.Exif()
    exif[0x0112] = 6
    frames = dict(save_all=True, append_images=[image.rotate(90)])
    saved = {
        'png': [(image, {}), (alpha, {}), (sixteen, {}), (grey, {}), (palette, {'transparency': 3}), (image, frames)],
        'jpg': [(image, {'exif': exif}), (image, {'progressive': True}), (image.convert('CMYK'), {}), (grey, {})],
        'tif': [
            *((image, {'compression': how}) for how in (None, 'tiff_lzw', 'tiff_deflate', 'packbits', 'jpeg')),
            *((other, {}) for other in (alpha, sixteen, grey.convert('1'), image.convert('YCbCr'), image.convert('F'))),
        ],
        'webp': [(image, {}), (image, {'lossless': True}), (alpha, {}), (image, frames)],
        'gif': [(palette, {}), (palette, {'transparency': 3}), (image, frames)],
        'bmp': [(image, {}), (grey, {}), (palette, {}), (alpha, {})],
    }
    files: dict[str, list[bytes]] = {}
    for suffix, kinds in saved.items():
        for variant, options in kinds:
            stream = io.BytesIO()
            variant.save(stream, {'jpg': 'JPEG', 'tif': 'TIFF'}.get(suffix, suffix), **options)
            files.setdefault(suffix, []).append(stream.getvalue())
    for kind, channels in ((2, 3), (6, 4), (4, 2)):
        deep = np.resize(pixels.astype('>u2') * 257, (SIDE, SIDE * channels))
        rows = b''.join(b'\0' + row.tobytes() for row in deep)
        files['png'].append(png((SIDE, SIDE, 16, kind, 0, 0, 0), rows))
    return files


def mutated(count: int) -> Iterator[tuple[str, bytes]]:
    """Name and content of damaged files: flipped bits, wrong numbers, truncation, headers of other files."""
    files = [(suffix, content) for suffix, kinds in whole_files().items() for content in kinds]
    for number in range(count):
        draw = random.Random(number)
        suffix, content = files[number % len(files)]
        data = bytearray(content)
        reach = len(data) if draw.random() < 0.5 else min(len(data), 120)
        how = draw.choice(('bits', 'number', 'cut', 'splice', 'several'))
        if how in ('bits', 'several'):
            for _ in range(draw.choice((1, 3, 10))):
                data[draw.randrange(reach)] ^= 1 << draw.randrange(8)
        if how in ('number', 'several'):
            place, size, order = draw.randrange(reach), draw.choice((2, 4)), draw.choice('<>')
            value = draw.choice(EXTREME_NUMBERS) % 256**size
            data[place : place + size] = struct.pack(order + {2: 'H', 4: 'I'}[size], value)
        if how in ('cut', 'several'):
            data = data[: draw.randrange(len(data))]
        if how == 'splice':
            other = draw.choice(files)[1]
            cut = draw.randrange(min(len(data), len(other), 200))
            data = bytearray(other[:cut]) + data[cut:]
        if data[:8] == b'\x89PNG\r\n\x1a\n' and draw.random() < 0.5:
            data = mend_checksums(data)
        yield f'{number}_{how}.{suffix}', bytes(data)


def mend_checksums(data: bytearray) -> bytearray:
    """A PNG file with corrected chunk checksums, so that changed chunks are read."""
    place = 8
    while place + 12 <= len(data):
        (length,) = struct.unpack_from('>I', data, place)
        end = place + 8 + length
        if end + 4 > len(data):
            break
        struct.pack_into('>I', data, end, zlib.crc32(data[place + 4 : end]))
        place = end + 4
    return data


#: Width and height.
SHAPES = [
    (60_000, 8), (8, 60_000), (86_000, 370), (370, 86_000), (32_768, 40), (40, 32_768), (100_000, 1), (1, 100_000),
    (1, 1), (1, 2), (2, 1), (2, 2), (7, 7), (8, 8), (7, 900), (900, 7), (300, 12), (12, 300), (9, 40), (40, 9),
    (1, 1000), (1000, 1), (1_000_001, 1), (1, 1_000_001),
]  # fmt: skip
#: Larger shapes: a search of all of them for faces would take minutes.
LARGE_SHAPES = [
    (200_000, 9), (9, 200_000), (32_767, 40), (65_536, 16), (16, 65_535), (1_000_000, 8), (8, 1_000_000),
    (9_000, 9_000), (16_384, 2_000), (2_000, 16_384),
]  # fmt: skip


def shaped() -> Iterator[tuple[str, bytes]]:
    """Files of extreme shapes, most of them valid; some state a larger size than they have."""
    for width, height in (*SHAPES, *LARGE_SHAPES):
        rows = (b'\0' + np.resize(np.arange(251, dtype=np.uint8), 3 * width).tobytes()) * height
        yield f'{width}x{height}.png', png((width, height, 8, 2, 0, 0, 0), rows)
    for width, height, bits, kind in ((6_000, 6_000, 16, 6), (9_400, 9_400, 8, 6), (9_000, 9_000, 1, 0),
                                      (9_400, 9_400, 16, 0), (8_000, 8_000, 8, 4)):  # fmt: skip
        channels = {0: 1, 2: 3, 4: 2, 6: 4}[kind]
        size = (width * channels * bits + 7) // 8
        yield (
            f'{width}x{height}_{bits}bit_{kind}.png',
            png((width, height, bits, kind, 0, 0, 0), bytes((size + 1) * height)),
        )
    for width, height in ((9_400, 9_400), (60_000, 60_000), (0x7FFFFFFF, 1), (0x7FFFFFFF, 0x7FFFFFFF), (0, 9)):
        yield f'says_{width}x{height}.png', png((width, height, 8, 6, 0, 0, 0), bytes(900))
    for width, height in ((9_400, 9_400), (60_000, 60_000), (0x7FFFFFFF, 1)):
        head = struct.pack('<2sIHHIIiiHHIIiiII', b'BM', 9_054, 0, 0, 54, 40, width, height, 1, 24, 0, 9_000, 0, 0, 0, 0)
        yield f'says_{width}x{height}.bmp', head + bytes(9_000)
    stream = io.BytesIO()
    Image.new('RGB', (8, 60_000)).save(stream, 'TIFF', compression='tiff_lzw')
    yield 'strip.tif', stream.getvalue()
    gif = io.BytesIO()
    Image.new('P', (9, 9)).save(gif, 'GIF')
    huge = bytearray(gif.getvalue())
    huge[6:10] = struct.pack('<HH', 65_535, 1_300)
    yield 'says_65535x1300.gif', bytes(huge)
    jpeg = io.BytesIO()
    Image.new('RGB', (65_500, 20)).save(jpeg, 'JPEG')
    yield '65500x20.jpg', jpeg.getvalue()


class Defects(logging.Handler):
    """Collects the unexpected errors that ``restore_files`` reports as a line and logs."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self.found.append(''.join(traceback.format_exception(*record.exc_info))[-1500:])


def memory(kind: str) -> int:
    """VmRSS (now), VmHWM (the peak) or VmSize (the address space) of this process, in MiB."""
    (found,) = re.findall(kind + r':\s+(\d+) kB', Path('/proc/self/status').read_text())
    return int(found) // 1024


def main(kind: str, count: int, limit: int, folder: Path) -> None:
    """Restore ``count`` files of one kind; ``limit`` bounds the growth of the address space, in MiB."""
    restorer = Restorer('fcg_gan_x4', device='cpu')
    finding = PhotoRestorer(restorer)
    # The shapes contain no rain that the network recognises, so a method that restores every input is used for them.
    boxed = PhotoRestorer(Restorer(BICUBIC, device='cpu') if kind == 'shaped' else restorer, boxes={})
    crop = FaceCrop(4, 4, 16) if kind == 'shaped' else FaceCrop(SIDE / 2, SIDE / 2, SIDE)
    face = portrait(0)
    finding.restore_faces(face, finding.found_in(np.pad(face, ((60, 60), (60, 60), (0, 0)), 'edge'))[0])
    resource.setrlimit(resource.RLIMIT_AS, ((memory('VmSize') + limit) * 2**20,) * 2)
    defects = Defects()
    logger = logging.getLogger('rainrestore.apis.files')
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    logger.addHandler(defects)

    wrong: list[str] = []
    states: Counter[str] = Counter()
    slowest, largest = (0.0, ''), (0, '')
    files = mutated(count) if kind == 'mutated' else shaped()
    for number, (name, content) in enumerate(files):
        path = folder / name
        path.write_bytes(content)
        Path('/proc/self/clear_refs').write_text('5')  # resets the peak
        before, begun = memory('VmRSS'), time.process_time()
        for read in (read_image, read_upload):
            try:
                read(path)
            except RainRestoreError as error:
                if '\n' in str(error):
                    wrong.append(f'{name}: several lines: {error}')
            except Exception:  # noqa: BLE001
                wrong.append(f'{name}: {traceback.format_exc()[-1500:]}')
        boxed.boxes = {path.resolve(): [crop]}
        searched = number < len(SHAPES) if kind == 'shaped' else number % SEARCHED == 0
        for photos in (boxed, finding) if searched else (boxed,):
            (outcome,) = restore_files(photos, FilePlan(folder / 'out', {f'{photos is boxed}_{number}.png': path}))
            states[outcome.state] += 1
            if '\n' in outcome.reason or (outcome.state == 'failed' and not outcome.reason):
                wrong.append(f'{name}: {outcome.reason!r}')
        wrong += [f'{name}: {defect}' for defect in defects.found]
        defects.found.clear()
        slowest = max(slowest, (time.process_time() - begun, name))
        largest = max(largest, (memory('VmHWM') - before, name))
        path.unlink()
    print(json.dumps(dict(files=number + 1, states=states, wrong=wrong, slowest=slowest, largest=largest)))


if __name__ == '__main__':
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
