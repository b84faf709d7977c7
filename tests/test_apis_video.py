"""Videos: frames and audio are kept, faces are restored and tracked, memory is bounded, interruptions have no
effect.
"""

import errno
import json
import re
import weakref
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('av')
from clips import BASE, audio, marked_frames, read_clip, write_clip
from processes import file_size_limit
from scenes import MarkerDetector, scene

from rainrestore.apis import ImageError, PhotoRestorer, Restorer, VideoSettings, restore_video
from rainrestore.apis import video as video_room
from rainrestore.apis.derain import Derained
from rainrestore.apis.video import FrameRestorer
from rainrestore.apis.video_files import VideoFrame, VideoReader, join_parts, write_part
from rainrestore.benchmark.scenes import background, crop_of
from rainrestore.errors import ImageFileError, OptionError, WriteError
from rainrestore.faces import FaceCrop
from rainrestore.physics import RainRanges, draw_scene, quantise, seeded_rng

ROOT = Path(__file__).resolve().parents[1]
FACE = FaceCrop(60, 48, 56)


@pytest.fixture(scope='module')
def bicubic() -> Restorer:
    return Restorer(ROOT / 'configs' / 'references' / 'bicubic_x4.py', device='cpu')


@pytest.fixture
def photos(bicubic) -> PhotoRestorer:
    return PhotoRestorer(bicubic, MarkerDetector())


def stored(colour: tuple[int, int, int], matrix: str, full: bool) -> np.ndarray:
    """A raw 4:2:0 frame of 32x32 of one colour, by the definitions of BT.601 and BT.709."""
    red, green, blue = (value / 255 for value in colour)
    kr, kb = {'601': (0.299, 0.114), '709': (0.2126, 0.0722)}[matrix]
    y = kr * red + (1 - kr - kb) * green + kb * blue
    u, v = (blue - y) / (2 - 2 * kb), (red - y) / (2 - 2 * kr)
    luma, chroma = (255 * y, 255) if full else (16 + 219 * y, 224)
    raw = np.empty((48, 32), np.uint8)
    raw[:32], raw[32:40], raw[40:] = round(luma), round(128 + chroma * u), round(128 + chroma * v)
    return raw


@pytest.mark.parametrize(
    ('matrix', 'full', 'tags'),
    [('709', False, (1, 1)), ('601', False, (6, 1)), ('601', True, (5, 2)), ('601', False, (2, 0))],
)
def test_colours_are_read_and_written_according_to_their_tags(tmp_path, matrix, full, tags) -> None:
    colours = [(200, 60, 30), (20, 180, 90)]
    source, target = tmp_path / 'in.mp4', tmp_path / 'out.mp4'
    write_clip(source, [stored(colour, matrix, full) for colour in colours], colours=tags)
    with VideoReader(source) as reader:
        frames = list(reader.read())
        assert reader.frames == 2
        style = reader.format
    for frame, colour in zip(frames, colours, strict=True):
        assert np.abs(frame.pixels.astype(int) - colour).max() <= 3
    write_part(tmp_path / 'part.mp4', frames, style)
    join_parts([(tmp_path / 'part.mp4', [frame.pts for frame in frames])], source, target, style)
    with VideoReader(target) as reader:
        assert reader.format.color_range == tags[1] and (reader.format.colorspace == 1) == (tags[0] == 1)
        for frame, colour in zip(reader.read(), colours, strict=True):
            assert np.abs(frame.pixels.astype(int) - colour).max() <= 5


@pytest.mark.parametrize('full', [False, True])
def test_reading_and_writing_keep_the_mean_of_a_frame(tmp_path, full) -> None:
    """All luma values without chroma, by the definition. The mean does not drift over three generations."""
    first, last = (0, 255) if full else (16, 235)
    luma = np.tile(np.linspace(first, last, 64).round().astype(np.uint8), (64, 1))
    raw = np.concatenate([luma, np.full((32, 64), 128, np.uint8)])
    grey = (luma.astype(float) - first) * 255 / (last - first)
    write_clip(tmp_path / '0.mp4', [raw], colours=(1, 2 if full else 1))
    for generation in range(4):
        with VideoReader(tmp_path / f'{generation}.mp4') as reader:
            frames = list(reader.read())
            write_part(tmp_path / f'{generation + 1}.mp4', frames, reader.format)
        off = frames[0].pixels - grey[..., None]
        assert abs(off.mean()) < 0.15
        assert np.abs(off).mean() < 1


@pytest.mark.parametrize('suffix', ['.mp4', '.MP4', '.mov', '.mkv'])
def test_frames_times_and_sound_are_kept(tmp_path, suffix) -> None:
    """Frames at uneven times, in two parts. The audio has the same bytes at the same times."""
    source, target = tmp_path / 'in.mp4', tmp_path / f'out{suffix}'
    frames = [background(64, 80, seed) for seed in range(7)]
    times = write_clip(source, frames, [0, 512, 1000, 1700, 2048, 4000, 4400], sound=True)
    with VideoReader(source) as reader:
        read = list(reader.read())
        assert [frame.pts for frame in read] == times and [frame.number for frame in read] == list(range(7))
        for place, part in enumerate((read[:4], read[4:])):
            write_part(tmp_path / f'{place}.mp4', part, reader.format)
        parts = [(tmp_path / '0.mp4', times[:4]), (tmp_path / '1.mp4', times[4:])]
        join_parts(parts, source, target, reader.format)
    again, when = read_clip(target)
    # Matroska counts milliseconds from the first packet. Here this is audio, which begins before the first frame.
    exact = Fraction(1, 500) if suffix == '.mkv' else 0
    shift = audio(target)[0][0] - audio(source)[0][0]
    assert suffix == '.mkv' or not shift
    assert all(abs(found - time * BASE - shift) <= exact for found, time in zip(when, times, strict=True))
    for frame, expected in zip(again, frames, strict=True):
        assert np.abs(frame.astype(int) - expected).mean() < 4
    sounds = list(zip(audio(target), audio(source), strict=True))
    assert len(sounds) > 1
    for found, expected in sounds:
        assert found[1] == expected[1] and abs(found[0] - expected[0] - shift) <= exact


def test_full_disk_names_the_joined_file(tmp_path) -> None:
    """With its sound, the joined file is larger than its only part."""
    part, target = tmp_path / 'part.mp4', tmp_path / 'out.mp4'
    write_clip(tmp_path / 'in.mp4', [background(64, 80, seed) for seed in range(7)], sound=True)
    with VideoReader(tmp_path / 'in.mp4') as reader:
        frames = list(reader.read())
        write_part(part, frames, reader.format)
    parts = [(part, [frame.pts for frame in frames])]
    with file_size_limit(part.stat().st_size), pytest.raises(WriteError) as caught:
        join_parts(parts, tmp_path / 'in.mp4', target, reader.format)
    assert caught.value.filename == str(target) and caught.value.errno == errno.EFBIG
    assert sorted(path.name for path in tmp_path.iterdir()) == ['in.mp4', 'part.mp4']


def test_odd_sides_and_skipped_frames_are_read(tmp_path) -> None:
    frames = [background(33, 47, seed) for seed in range(4)]
    write_clip(tmp_path / 'in.mp4', frames, pixel_format='yuv444p')
    with VideoReader(tmp_path / 'in.mp4') as reader:
        rest = list(reader.read(skip=3))
        assert [frame.number for frame in rest] == [3] and rest[0].pixels.shape == (33, 47, 3)
        write_part(tmp_path / 'out.mp4', rest, reader.format)
    assert np.abs(read_clip(tmp_path / 'out.mp4')[0][0].astype(int) - frames[3]).mean() < 4


@pytest.mark.parametrize('turn', [90, 180, -90])
def test_rotated_video_of_a_phone_is_restored_upright(tmp_path, turn) -> None:
    pixels = background(32, 48)
    write_clip(tmp_path / 'in.mp4', [pixels] * 2, turn=turn)
    with VideoReader(tmp_path / 'in.mp4') as reader:
        frames = list(reader.read())
        for frame in frames:
            assert np.abs(frame.pixels.astype(int) - np.rot90(pixels, turn // 90)).mean() < 4
        write_part(tmp_path / 'part.mp4', frames, reader.format)
        parts = [(tmp_path / 'part.mp4', [frame.pts for frame in frames])]
        join_parts(parts, tmp_path / 'in.mp4', tmp_path / 'out.mp4', reader.format)
    # The frames of the result are upright, and players do not rotate it again.
    with VideoReader(tmp_path / 'out.mp4') as reader:
        assert all(frame.pixels.shape == frames[0].pixels.shape for frame in reader.read())


def test_files_without_times_are_read(tmp_path) -> None:
    write_clip(tmp_path / 'in.mp4', [background(32, 48)] * 3)
    with VideoReader(tmp_path / 'in.mp4') as reader:
        frames = list(reader._decode())
        for frame, pts in zip(frames, (None, 512, 300), strict=True):
            frame.pts = pts
        reader._decode = lambda: iter(frames)
        assert [frame.pts for frame in reader.read()] == [0, 512, 1024]


def test_faces_are_restored_and_other_pixels_are_kept(photos, tmp_path) -> None:
    crops = [None, *[FaceCrop(60 + step, 48, 56) for step in range(7)]]
    frames = marked_frames(crops)
    write_clip(tmp_path / 'in.mp4', frames, sound=True)
    seen = []
    settings = VideoSettings(search_every=1, blend=0)
    result = restore_video(
        photos,
        tmp_path / 'in.mp4',
        tmp_path / 'out.mp4',
        settings,
        progress=lambda *at: seen.append(at),
    )
    assert (result.frames, result.faces, result.without) == (8, 7, 1)
    assert result.notes == ('no face found in 1 of 8 frames, the first at 0.00 s',)
    assert seen == [(number, 8) for number in range(1, 9)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ['in.mp4', 'out.mp4']
    source, _ = read_clip(tmp_path / 'in.mp4')
    for before, after, crop in zip(source, read_clip(tmp_path / 'out.mp4')[0], crops, strict=True):
        alone = before if crop is None else photos(before, [crop]).photo
        x, y = np.meshgrid(np.arange(128), np.arange(96))
        near = np.hypot(x - 63, y - 48) < 30
        error = np.abs(after.astype(int) - alone).mean(-1)
        assert error[~near].mean() < 3 and error[near].mean() < 8
        if crop is not None:  # the frame shows the restored face
            assert error[near].mean() < np.abs(after.astype(int) - before).mean(-1)[near].mean()


def stop_after(frames: int):
    def progress(done: int, _total: int) -> None:
        if done == frames:
            raise KeyboardInterrupt

    return progress


def test_stopped_run_resumes_with_the_same_result(bicubic, tmp_path) -> None:
    rng = np.random.default_rng(0)
    frames = marked_frames([FaceCrop(60 + dx, 48 + dy, 56) for dx, dy in rng.normal(0, 1, (14, 2))])
    write_clip(tmp_path / 'in.mp4', frames)
    settings = VideoSettings(search_every=3, part_frames=4)

    def run(name: str, **options) -> MarkerDetector:
        detector = MarkerDetector()
        restore_video(PhotoRestorer(bicubic, detector), tmp_path / 'in.mp4', tmp_path / name, settings, **options)
        return detector

    whole = run('whole.mp4')
    with pytest.raises(KeyboardInterrupt):
        run('stopped.mp4', progress=stop_after(10))
    kept = sorted(path.name for path in (tmp_path / 'stopped.mp4.parts').iterdir())
    assert (
        kept == ['000000.json', '000000.mp4', '000001.json', '000001.mp4'] and not (tmp_path / 'stopped.mp4').exists()
    )
    # A part with a damaged record is made again.
    (tmp_path / 'stopped.mp4.parts' / '000001.json').write_text('{')
    (tmp_path / 'stopped.mp4.parts' / 'diary.txt').write_text('a file of the user')
    rest = run('stopped.mp4')
    assert rest.calls == whole.calls - 4
    assert [path.name for path in (tmp_path / 'stopped.mp4.parts').iterdir()] == ['diary.txt']
    for found, expected in zip(read_clip(tmp_path / 'stopped.mp4'), read_clip(tmp_path / 'whole.mp4'), strict=True):
        np.testing.assert_array_equal(np.array(found), np.array(expected))
    # Other settings give another result, which uses no old parts.
    with pytest.raises(KeyboardInterrupt):
        run('other.mp4', progress=stop_after(10))
    restorer = PhotoRestorer(bicubic, MarkerDetector(), turns=())
    restore_video(restorer, tmp_path / 'in.mp4', tmp_path / 'other.mp4', settings)
    assert restorer.detector.calls == whole.calls
    assert not (tmp_path / 'other.mp4.parts').exists()


def test_memory_does_not_grow_with_the_length(photos, tmp_path, monkeypatch) -> None:
    """The queues and batches bound the number of frames between the stages, for any length."""
    monkeypatch.setattr(video_room, 'BATCH', 3)
    frames: list[weakref.ref] = []
    alive: list[int] = []
    original = FrameRestorer.follow

    def watched(self, frame):
        frames.append(weakref.ref(frame))
        alive.append(sum(reference() is not None for reference in frames))
        return original(self, frame)

    monkeypatch.setattr(FrameRestorer, 'follow', watched)
    for length in (30, 90):
        write_clip(tmp_path / 'in.mp4', marked_frames([FACE] * length))
        restore_video(photos, tmp_path / 'in.mp4', tmp_path / 'out.mp4', VideoSettings(part_frames=25))
        assert len(alive) == length and max(alive) <= 5 * 3
        frames.clear()
        alive.clear()
    restorer = FrameRestorer(photos)
    sizes = []
    for number, pixels in enumerate(marked_frames([FACE] * 6)):
        restorer(VideoFrame(number, number / 25, number, pixels))
        sizes.append(len(json.dumps(restorer.state())))
    assert max(sizes) - min(sizes) < 100


def test_batches_equal_single_frames(photos) -> None:
    images = marked_frames([FaceCrop(60 + step, 48, 56) for step in range(6)])
    frames = [VideoFrame(number, number / 25, number, pixels) for number, pixels in enumerate(images)]
    single, together = FrameRestorer(photos), FrameRestorer(photos)
    expected = [single(frame) for frame in frames]
    found = together.restore([together.follow(frame) for frame in frames])
    for (before, crops), (after, faces) in zip(expected, found, strict=True):
        assert crops == [face.crop for face in faces] and np.abs(before.astype(int) - after).max() <= 1


@pytest.mark.parametrize('aspect', [Fraction(2), Fraction(1, 2)])
def test_face_with_non_square_pixels_keeps_its_shape(photos, aspect) -> None:
    """A face is detected and restored in a copy with square pixels. The surrounding pixels do not change."""
    (square,) = marked_frames([FACE])
    stored = np.ascontiguousarray(square[:, ::2] if aspect > 1 else square[::2])
    (restored, (crop,)) = FrameRestorer(photos)(VideoFrame(0, 0, 0, stored, aspect))
    assert (crop.x, crop.y, crop.side) == pytest.approx((FACE.x, FACE.y, FACE.side), abs=3)
    expected, _ = FrameRestorer(photos)(VideoFrame(0, 0, 0, square))
    expected = expected[:, ::2] if aspect > 1 else expected[::2]
    x, y = np.meshgrid(np.arange(128), np.arange(96))
    far = np.hypot(x - 60, y - 48) > 36
    far = far[:, ::2] if aspect > 1 else far[::2]
    np.testing.assert_array_equal(restored[far], stored[far])
    error, change = (np.abs(restored.astype(int) - other)[~far].mean() for other in (expected, stored))
    assert error < change


def test_rain_is_not_removed_if_the_detector_finds_the_face(bicubic) -> None:
    class Counting(PhotoRestorer):
        cleared = 0

        def derain(self, photo):
            self.cleared += 1
            return Derained(photo, 1.0)

    (frame,) = marked_frames([FACE])
    empty = background(96, 128)
    photos = Counting(bicubic, MarkerDetector())
    restorer = FrameRestorer(photos, VideoSettings(search_every=2, hold=0))
    for number in range(7):
        restorer(VideoFrame(number, number / 25, number, frame))
    assert photos.cleared == 1  # only for the first frame, before any face is known
    for number in range(7, 9):
        restorer(VideoFrame(number, number / 25, number, empty))
    assert photos.cleared > 1


def test_video_without_a_face_has_no_result(photos, tmp_path) -> None:
    write_clip(tmp_path / 'in.mp4', marked_frames([None] * 5))
    with pytest.raises(ImageError, match=r'in\.mp4: no face found in any of its 5 frames'):
        restore_video(photos, tmp_path / 'in.mp4', tmp_path / 'out.mp4')
    assert [path.name for path in tmp_path.iterdir()] == ['in.mp4']


def test_video_without_a_face_names_its_damage(photos, tmp_path) -> None:
    """The lost frames may have shown a face."""
    source = tmp_path / 'in.mp4'
    rng = np.random.default_rng(0)
    noise = (frame + rng.normal(0, 8, frame.shape) for frame in marked_frames([None] * 20))
    write_clip(source, [np.clip(frame, 0, 255).astype(np.uint8) for frame in noise])
    data = bytearray(source.read_bytes())
    middle = len(data) * 6 // 10
    data[middle : middle + 8192] = bytes(8192)
    source.write_bytes(data)
    with VideoReader(source) as reader:
        count = len(list(reader.read()))
        notes = '; '.join(reader.notes())
    assert 'frames' in notes
    with pytest.raises(ImageError, match=f'no face found in any of its {count} frames.*; {re.escape(notes)}$'):
        restore_video(photos, source, tmp_path / 'out.mp4')


def test_video_with_unchanged_faces_has_no_result(photos, tmp_path, monkeypatch) -> None:
    """Photos without rain: the restorer does not change their faces, in some frames or in all."""
    original = PhotoRestorer.restore_faces
    left = {1, 3}

    def leaving(self, photo, faces, clear=None, name='', *rest):
        result = original(self, photo, faces, clear, name, *rest)
        weight = float(int(name.split()[1]) not in left)
        return replace(result, faces=tuple(replace(face, weight=weight) for face in result.faces))

    monkeypatch.setattr(PhotoRestorer, 'restore_faces', leaving)
    write_clip(tmp_path / 'in.mp4', marked_frames([FACE] * 5))
    result = restore_video(photos, tmp_path / 'in.mp4', tmp_path / 'out.mp4')
    assert result.faces == 3 and result.without == 0
    assert result.notes[0].startswith(
        '2 of 5 faces (over all frames) show no detectable rain, or rain that is too weak to remove, '
        'and were not restored'
    )
    left |= set(range(5))
    with pytest.raises(ImageError, match='nothing to restore: 5 of 5 faces'):
        restore_video(photos, tmp_path / 'in.mp4', tmp_path / 'none.mp4')
    assert not (tmp_path / 'none.mp4').exists()


def test_tracks_end_and_begin_at_a_cut(photos) -> None:
    night = np.full((96, 128, 3), 9, np.uint8)
    (day,) = marked_frames([FACE])
    restorer = FrameRestorer(photos, VideoSettings(search_every=100))
    counts = [len(restorer(VideoFrame(number, number / 25, number, pixels))[1])
              for number, pixels in enumerate([day, day, night, night, day, day])]  # fmt: skip
    assert counts == [1, 1, 0, 0, 1, 1]
    assert video_room.CUT > 0


def test_tilted_face_is_tracked_between_searches(photos) -> None:
    restorer = FrameRestorer(photos, VideoSettings(search_every=4))
    for number, pixels in enumerate(marked_frames([FaceCrop(60, 48, 56, 90)] * 9)):
        (crop,) = restorer(VideoFrame(number, number / 25, number, pixels))[1]
        assert crop.angle % 360 == pytest.approx(90, abs=4)


def test_marked_faces_apply_to_every_frame(bicubic, tmp_path) -> None:
    source = tmp_path / 'in.mp4'
    write_clip(source, marked_frames([None] * 3))
    photos = PhotoRestorer(bicubic, boxes={source.resolve(): [FACE]})
    assert restore_video(photos, source, tmp_path / 'out.mp4').faces == 3
    with pytest.raises(ImageError, match='the file of boxes has no line for this video'):
        restore_video(PhotoRestorer(bicubic, boxes={}), source, tmp_path / 'none.mp4')


def test_unrestored_marked_faces_are_noted(bicubic, tmp_path) -> None:
    source = tmp_path / 'in.mp4'
    write_clip(source, marked_frames([None] * 5))
    small, outside = FaceCrop(30, 30, 6), FaceCrop(300, 30, 40)
    photos = PhotoRestorer(bicubic, boxes={source.resolve(): [FACE, small, outside]})
    result = restore_video(photos, source, tmp_path / 'out.mp4', VideoSettings(part_frames=2))
    assert (result.faces, result.without) == (5, 0)
    notes = (
        'the face at (30, 30) is 6 pixels wide, too small to restore, and was not changed',
        'the face at (300, 30) is outside of the 128x96 photo and was not changed',
    )
    assert result.notes == notes
    photos = PhotoRestorer(bicubic, boxes={source.resolve(): [small, outside]})
    reason = re.escape(f'none of its faces can be restored: {"; ".join(notes)}')
    with pytest.raises(ImageError, match=reason):
        restore_video(photos, source, tmp_path / 'none.mp4')


@pytest.mark.parametrize('changed', [False, True])
def test_derained_video_without_rain_has_no_result(bicubic, tmp_path, monkeypatch, changed) -> None:
    monkeypatch.setattr(
        'rainrestore.apis.photos.derained', lambda remover, photo: Derained(photo // (2 if changed else 1), 1.0)
    )
    monkeypatch.setattr(PhotoRestorer, '_apply', lambda *arguments: 0.0)
    write_clip(tmp_path / 'in.mp4', marked_frames([FACE] * 3))
    photos = PhotoRestorer(bicubic, MarkerDetector(), background='derain')
    if changed:
        assert restore_video(photos, tmp_path / 'in.mp4', tmp_path / 'out.mp4').faces == 0
    else:
        with pytest.raises(ImageError, match='nothing to restore: 3 of 3 faces'):
            restore_video(photos, tmp_path / 'in.mp4', tmp_path / 'out.mp4')


def test_other_files_are_refused_as_a_video(photos, tmp_path) -> None:
    for name, content in (('words.mp4', b'these are words'), ('empty.mp4', b'')):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ImageFileError, match=rf'{name}: cannot be decoded as a video'):
            restore_video(photos, tmp_path / name, tmp_path / 'out.mp4')
    with pytest.raises(ImageFileError, match=r'none\.mp4: no such file'):
        restore_video(photos, tmp_path / 'none.mp4', tmp_path / 'out.mp4')
    with pytest.raises(OptionError, match=r'out\.gif: the result must be a'):
        restore_video(photos, tmp_path / 'none.mp4', tmp_path / 'out.gif')
    with pytest.raises(OptionError, match='search_every and part_frames must be at least 1'):
        VideoSettings(search_every=0)
    write_clip(tmp_path / 'cut.mp4', marked_frames([FACE] * 3))
    (tmp_path / 'cut.mp4').write_bytes((tmp_path / 'cut.mp4').read_bytes()[:2000])
    with pytest.raises(ImageFileError, match=r'cut\.mp4'):
        restore_video(photos, tmp_path / 'cut.mp4', tmp_path / 'out.mp4')
    assert not (tmp_path / 'out.mp4').exists()


def test_result_does_not_replace_its_input(photos, tmp_path) -> None:
    source = tmp_path / 'in.mp4'
    write_clip(source, marked_frames([FACE] * 3))
    before = source.read_bytes()
    with pytest.raises(OptionError, match='the result would replace the source'):
        restore_video(photos, source, tmp_path / '.' / 'in.mp4')
    assert source.read_bytes() == before


def test_too_small_strength_is_named(bicubic, tmp_path) -> None:
    write_clip(tmp_path / 'in.mp4', marked_frames([FACE] * 3))
    photos = PhotoRestorer(bicubic, MarkerDetector(), strength=1e-6)
    with pytest.raises(ImageError, match=r'in\.mp4: the strength 1e-06 is too small to change it; use a greater one$'):
        restore_video(photos, tmp_path / 'in.mp4', tmp_path / 'out.mp4')
    assert [path.name for path in tmp_path.iterdir()] == ['in.mp4']


def test_rain_that_the_model_does_not_remove_is_noted_once(bicubic, tmp_path) -> None:
    """Every second frame is examined. The note after an interruption is the same. hifacegan_128 has this observer."""
    clean, crops = scene(80, 160, [(8, 8, 64), (88, 8, 64)]), [crop_of((8, 8, 64)), crop_of((88, 8, 64))]
    rainy = clean.copy()
    drawn = draw_scene(clean / np.float32(255), RainRanges(beta=(0.9, 0.9)), seeded_rng(0, 'x'), face_side=64)
    rainy[:, 80:] = quantise(drawn.I)[:, 80:]
    observer = Restorer('hrrm_photos_x4', device='cpu')

    def notes(name: str, frames: list[np.ndarray], progress=None) -> tuple[str, ...]:
        source = tmp_path / f'{name}.mp4'
        if not source.exists():
            write_clip(source, frames)
        photos = PhotoRestorer(bicubic, boxes={source: crops})
        photos.observer = observer
        settings = VideoSettings(search_every=2, part_frames=2)
        return restore_video(photos, source, tmp_path / f'{name}.mkv', settings, progress=progress).notes

    assert notes('clean', [clean] * 2) == ()
    with pytest.raises(KeyboardInterrupt):
        notes('rainy', [rainy] * 4, stop_after(3))
    (note,) = notes('rainy', [rainy] * 4)
    assert note.startswith('2 of 4 examined faces show rain, which ')
    assert note.endswith('bicubic_x4.py does not remove; use a model for the task faces')
