"""Videos from recorders and phones, and damaged videos: decodable parts are kept, losses are noted."""

import io
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip('av')
from clips import BASE, audio, av, read_clip, write_clip
from PIL import Image

from rainrestore.apis.video_files import VideoReader, join_parts, write_part
from rainrestore.apis.video_streams import OtherStreams
from rainrestore.benchmark.scenes import background
from rainrestore.errors import ImageFileError

RATE = 8000


def passed_through(source: Path, target: Path) -> tuple[str, ...]:
    """Read a clip, write its frames and combine them; returns the notes."""
    with VideoReader(source) as reader:
        times = []

        def counted():
            for frame in reader.read():
                times.append(frame.pts)
                yield frame

        part = target.with_suffix('.part.mp4')
        frames = counted()
        first = next(frames)
        write_part(part, (frame for frames in ([first], frames) for frame in frames), reader.format)
        others = join_parts([(part, times)], source, target, reader.format)
        return (*reader.notes(), *others)


def tone(seconds: float) -> np.ndarray:
    """A rising tone, 16 bits, 1 x samples."""
    time = np.arange(round(seconds * RATE)) / RATE
    return (9000 * np.sin(2 * np.pi * (200 + 300 * time) * time)).astype(np.int16)[None]


def heard(path: Path, track: int = 0) -> tuple[np.ndarray, list[Fraction]]:
    """All samples of one track as floating point at 8000 Hz, and the times of its frames."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler('fltp', 'mono', RATE)
        frames = list(container.decode(audio=track))
        samples = [part.to_ndarray()[0] for frame in frames for part in resampler.resample(frame)]
    return np.concatenate(samples), [frame.pts * frame.time_base for frame in frames]


def write_sounds(path: Path, codecs: dict[str, str], container: str, frames: int = 20) -> None:
    """A clip with audio tracks, language -> codec."""
    with av.open(str(path), 'w', format=container) as file:
        stream = file.add_stream('libx264', rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, 'yuv420p'
        voices = []
        for language, codec in codecs.items():
            voices.append(file.add_stream(codec, rate=RATE, layout='mono'))
            voices[-1].metadata['language'] = language
        for number in range(frames):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(background(48, 64, number), format='rgb24')))
        file.mux(stream.encode())
        for voice in voices:
            wave = tone(frames / 25)
            for start in range(0, wave.shape[1], 320):
                sound = av.AudioFrame.from_ndarray(wave[:, start : start + 320].copy(), format='s16', layout='mono')
                sound.sample_rate, sound.pts = RATE, start
                file.mux(voice.encode(sound))
            file.mux(voice.encode())


@pytest.mark.parametrize(
    ('codec', 'container', 'suffix', 'becomes'),
    [
        ('pcm_alaw', 'mov', '.mp4', 'aac'), ('pcm_mulaw', 'mov', '.mp4', 'aac'),
        ('adpcm_ima_wav', 'avi', '.mkv', 'flac'), ('pcm_alaw', 'mov', '.mov', 'pcm_alaw'),
        ('pcm_s16le', 'avi', '.mkv', 'pcm_s16le'),
    ],
)  # fmt: skip
def test_audio_that_the_container_refuses_is_encoded_again(tmp_path, codec, container, suffix, becomes) -> None:
    source, target = tmp_path / 'in', tmp_path / f'out{suffix}'
    write_sounds(source, {'eng': codec}, container)
    notes = passed_through(source, target)
    with av.open(str(target)) as file:
        assert [stream.codec_context.name for stream in file.streams] == ['h264', becomes]
    if codec == becomes:
        assert not notes and [data for _, data in audio(target)] == [data for _, data in audio(source)]
    else:
        (note,) = notes
        assert codec in note and f'stored as {becomes}' in note and suffix in note
    (before, _), (after, times) = heard(source), heard(target)
    # AAC begins with additional samples before time 0.
    after = after[max(round(-float(times[0]) * RATE), 0) :][: len(before)]
    assert len(after) > 0.95 * len(before)
    middle = slice(2000, 5000)
    shifts = [np.corrcoef(np.roll(after, shift)[middle], before[middle])[0, 1] for shift in range(-8, 9)]
    assert max(shifts) > 0.97


def test_all_audio_tracks_are_kept_with_their_languages(tmp_path) -> None:
    write_sounds(tmp_path / 'in.mov', {'eng': 'aac', 'fra': 'pcm_alaw', 'spa': 'aac'}, 'mov')
    (note,) = passed_through(tmp_path / 'in.mov', tmp_path / 'out.mp4')
    assert 'audio stream 2 (pcm_alaw) is stored as aac' in note
    with av.open(str(tmp_path / 'out.mp4')) as file:
        assert [stream.metadata['language'] for stream in file.streams.audio] == ['eng', 'fra', 'spa']
    assert all(len(heard(tmp_path / 'out.mp4', track)[0]) > 6000 for track in range(3))


def test_audio_of_an_unknown_codec_is_omitted_with_a_note(tmp_path) -> None:
    write_sounds(tmp_path / 'in.mkv', {'eng': 'aac', 'fra': 'aac'}, 'matroska')
    data = (tmp_path / 'in.mkv').read_bytes()
    (tmp_path / 'in.mkv').write_bytes(data.replace(b'A_AAC', b'A_QQQ', 1))
    (note,) = passed_through(tmp_path / 'in.mkv', tmp_path / 'out.mkv')
    assert note == 'audio stream 1 (unknown codec) is omitted'
    with av.open(str(tmp_path / 'out.mkv')) as file:
        assert [stream.type for stream in file.streams] == ['video', 'audio']
    assert len(read_clip(tmp_path / 'out.mkv')[0]) == 20


def write_with_subtitles(path: Path, film: bool = True) -> None:
    """A Matroska file with subtitles and a cover image, with or without a film."""
    (path.parent / 'in.srt').write_text('1\n00:00:00,040 --> 00:00:00,120\nIt rains\n\n')
    cover = io.BytesIO()
    Image.new('RGB', (32, 32), 'red').save(cover, 'JPEG')
    with av.open(str(path.parent / 'in.srt')) as words, av.open(str(path), 'w') as file:
        subtitles = file.add_stream_from_template(words.streams.subtitles[0])
        file.add_attachment('cover.jpg', 'image/jpeg', cover.getvalue())
        if film:
            stream = file.add_stream('libx264', rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 48, 'yuv420p'
            for number in range(5):
                file.mux(stream.encode(av.VideoFrame.from_ndarray(background(48, 64, number), format='rgb24')))
            file.mux(stream.encode())
        for packet in words.demux():
            if packet.size:
                packet.stream = subtitles
                file.mux(packet)


def test_subtitles_are_kept_if_possible_and_a_cover_is_not_a_video(tmp_path) -> None:
    source = tmp_path / 'in.mkv'
    write_with_subtitles(source)
    assert [note.partition(' (')[0] for note in passed_through(source, tmp_path / 'out.mkv')] == [
        'cover image, stream 2'
    ]
    with av.open(str(tmp_path / 'out.mkv')) as file:
        (packet,) = [packet for packet in file.demux(subtitles=0) if packet.size]
        assert bytes(packet) == b'It rains' and packet.pts * packet.time_base == Fraction(40, 1000)
    notes = passed_through(source, tmp_path / 'out.mp4')
    assert any(note.startswith('subtitle stream 0') and note.endswith('is omitted') for note in notes)
    write_with_subtitles(source, film=False)
    with pytest.raises(ImageFileError, match='has no video stream'), VideoReader(source):
        pass


@pytest.mark.parametrize('suffix', ['.mp4', '.mov', '.mkv'])
def test_tags_and_chapters_are_copied(suffix, tmp_path) -> None:
    """The time of a recording is evidence. The titles of chapters in MP4 and MOV are no omitted stream."""
    write_sounds(tmp_path / 'plain.mp4', {'eng': 'aac'}, 'mp4')
    tags = {'creation_time': '2026-03-01T10:00:00.000000Z', 'title': 'Gate 3', 'comment': 'camera 7'}
    chapters = [
        {'id': number, 'start': 400 * number, 'end': 400 * (number + 1), 'time_base': Fraction(1, 1000),
         'metadata': {'title': f'part {number}'}}
        for number in range(2)
    ]  # fmt: skip
    source, target = tmp_path / f'in{suffix}', tmp_path / f'out{suffix}'
    with av.open(str(tmp_path / 'plain.mp4')) as plain, av.open(str(source), 'w') as file:
        file.metadata.update(tags)
        file.set_chapters(chapters)
        streams = {stream.index: file.add_stream_from_template(stream) for stream in plain.streams}
        for packet in plain.demux():
            if packet.size:
                packet.stream = streams[packet.stream.index]
                file.mux(packet)
    assert not passed_through(source, target)
    with av.open(str(target)) as file:
        assert tags.items() <= {name.lower(): value for name, value in file.metadata.items()}.items()
        assert [(chapter['start'] * chapter['time_base'], chapter['metadata']) for chapter in file.chapters()] == [
            (Fraction(2 * number, 5), {'title': f'part {number}'}) for number in range(2)
        ]


def test_refused_audio_packet_is_omitted_with_a_note(tmp_path) -> None:
    """Audio times run backwards, as in damaged files."""
    write_sounds(tmp_path / 'in.mkv', {'eng': 'aac'}, 'matroska')
    with av.open(str(tmp_path / 'in.mkv')) as source, av.open(str(tmp_path / 'out.mkv'), 'w') as target:
        others = OtherStreams(av, source, target, '.mkv')
        packets = [packet for packet in source.demux(audio=0) if packet.size]
        packets[3].dts = packets[3].pts = 0
        others.source = SimpleNamespace(demux=lambda streams: iter(packets), streams=source.streams)
        kept = list(others.packets())
    assert len(kept) == len(packets) - 1
    assert others.notes == ['1 packets of audio stream 1 (aac) are damaged and omitted']


@pytest.mark.parametrize('turned', [False, True])
def test_aspect_ratio_of_pixels_is_kept(tmp_path, turned) -> None:
    """CIF of a recorder, 16:11. The pixels of a camera on its side are 11:16 in the upright video."""
    with av.open(str(tmp_path / 'in.mp4'), 'w') as file:
        stream = file.add_stream('libx264', rate=25)
        stream.width, stream.height, stream.pix_fmt = 176, 144, 'yuv420p'
        stream.codec_context.sample_aspect_ratio = Fraction(16, 11)
        if turned:
            stream.set_display_rotation(90)
        for number in range(3):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(background(144, 176, number), format='rgb24')))
        file.mux(stream.encode())
    for suffix in ('.mp4', '.mkv', '.mov'):
        assert not passed_through(tmp_path / 'in.mp4', tmp_path / f'out{suffix}')
        with av.open(str(tmp_path / f'out{suffix}')) as file:
            film = file.streams.video[0]
            assert film.sample_aspect_ratio == (Fraction(11, 16) if turned else Fraction(16, 11))
            assert (film.width, film.height) == ((144, 176) if turned else (176, 144))


ONE = 1 << 16


@pytest.mark.parametrize('entries', [(1, 0, 0, 1), (-1, 0, 0, 1), (1, 0, 0, -1), (-1, 0, 0, -1),
                                     (0, 1, 1, 0), (0, 1, -1, 0), (0, -1, 1, 0), (0, -1, -1, 0)])  # fmt: skip
def test_rotated_and_mirrored_video_is_read_like_in_players(tmp_path, entries) -> None:
    """A display matrix a b c d shows pixel (p, q) at (a p + c q, b p + d q), shifted to begin at 0."""
    a, b, c, d = entries
    pixels = background(32, 48)
    with av.open(str(tmp_path / 'in.mp4'), 'w') as file:
        stream = file.add_stream('libx264', rate=25, options={'crf': '4'})
        stream.width, stream.height, stream.pix_fmt = 48, 32, 'yuv420p'
        stream.set_display_matrix([a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, 0, 0, 1 << 30])
        file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format='rgb24')))
        file.mux(stream.encode())
    q, p = np.mgrid[:32, :48]
    x, y = a * p + c * q, b * p + d * q
    shown = np.empty((np.ptp(y) + 1, np.ptp(x) + 1, 3), np.uint8)
    shown[y - y.min(), x - x.min()] = pixels
    with VideoReader(tmp_path / 'in.mp4') as reader:
        (frame,) = reader.read()
    assert frame.pixels.shape == shown.shape and np.abs(frame.pixels.astype(int) - shown).mean() < 4


def changing(path: Path, sizes: list[tuple[int, int]]) -> list[np.ndarray]:
    """A transport stream with five frames of each size (height, width) in turn; returns the first frames."""
    data, firsts = b'', []
    for place, (height, width) in enumerate(sizes):
        frames = [background(height, width)] * 5
        write_clip(path.with_name('part.ts'), frames, [512 * (5 * place + number) for number in range(5)])
        data += path.with_name('part.ts').read_bytes()
        firsts.append(frames[0])
    path.write_bytes(data)
    return firsts


def test_frames_of_another_size_are_scaled_to_the_first_size(tmp_path) -> None:
    firsts = changing(tmp_path / 'in.ts', [(48, 64), (96, 128), (96, 64)])
    (larger, upright) = passed_through(tmp_path / 'in.ts', tmp_path / 'out.mkv')
    assert 'have 128x96 pixels and were fitted into 64x48' in larger and '64x96 pixels' in upright
    frames, _ = read_clip(tmp_path / 'out.mkv')
    assert len(frames) == 15
    for frame in frames[:5]:
        assert np.abs(frame.astype(int) - firsts[0]).mean() < 5
    half = np.asarray(Image.fromarray(firsts[1]).resize((64, 48), Image.Resampling.BOX))
    for frame in frames[5:10]:
        assert np.abs(frame.astype(int) - half).mean() < 6
    # A higher frame keeps its aspect ratio, between black bars.
    for frame in frames[10:]:
        assert frame[:, :14].max() < 40 and frame[:, 18:46].mean() > 40 and frame[:, 50:].max() < 40
    with VideoReader(tmp_path / 'in.ts') as reader:
        assert len(list(reader.read(skip=8))) == 7 and len(reader.notes()) == 2


def moving(frames: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    still = background(120, 160)
    return [
        np.clip(np.roll(still, 3 * number, 1) + rng.normal(0, 8, still.shape), 0, 255).astype(np.uint8)
        for number in range(frames)
    ]


@pytest.mark.parametrize('lost', ['zeros', 'noise', 'cut'])
@pytest.mark.parametrize('suffix', ['.mp4', '.mkv', '.ts'])
def test_one_damaged_block_keeps_the_other_frames(tmp_path, suffix, lost) -> None:
    """A disk lost blocks of 4096 bytes."""
    source = tmp_path / f'in{suffix}'
    frames = moving(30)
    write_clip(source, frames)
    data = bytearray(source.read_bytes())
    start, size = len(data) * 6 // 10, 4 * 4096
    data[start : start + size] = {'zeros': bytes(size), 'cut': b'', 'noise': np.random.default_rng(1).bytes(size)}[lost]
    source.write_bytes(data)
    if suffix == '.mp4' and lost == 'cut':  # the index is no longer at its stated offset
        with pytest.raises(ImageFileError, match=r'in\.mp4: cannot be decoded as a video'):
            passed_through(source, tmp_path / 'out.mkv')
        return
    notes = passed_through(source, tmp_path / 'out.mkv')
    again, times = read_clip(tmp_path / 'out.mkv')
    assert 18 <= len(again) <= 30 and notes
    # Frames before the damage are unchanged, and each has its time.
    for number in range(15):
        assert np.abs(again[number].astype(int) - frames[number]).mean() < 9
    assert all(later > earlier for earlier, later in pairwise(times))
    if suffix != '.mkv':
        missing = 30 - len(again)
        assert f'{missing} of 30 frames could not be decoded' in notes[0] or f'{missing} frames seem' in notes[0]
        assert float(notes[0].split()[-2]) == pytest.approx(0.72, abs=0.2)
    else:  # this clip is one cluster, whose rest is lost
        assert any(note.startswith('the duration is 1.20 s') for note in notes)


def test_undamaged_clips_of_every_kind_have_no_note(tmp_path) -> None:
    """Uneven times, B-frames and codecs with invisible frames are not damage."""
    write_clip(tmp_path / 'vfr.mp4', moving(12), [0, 512, 3000, 3512, 9000, *range(20000, 27000, 1000)])
    assert not passed_through(tmp_path / 'vfr.mp4', tmp_path / 'out.mkv')
    for codec, suffix in (('libvpx', '.webm'), ('mpeg4', '.avi'), ('mpeg2video', '.ts'), ('libx264', '.ts')):
        path = tmp_path / f'{codec}{suffix}'
        with av.open(str(path), 'w') as file:
            options = {'auto-alt-ref': '1', 'lag-in-frames': '12'} if codec == 'libvpx' else {'bf': '2'}
            stream = file.add_stream(codec, rate=25, options=options)
            stream.width, stream.height, stream.pix_fmt = 160, 120, 'yuv420p'
            for frame in moving(30):
                file.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format='rgb24')))
            file.mux(stream.encode())
        assert not passed_through(path, tmp_path / 'out.mkv')
        assert len(read_clip(tmp_path / 'out.mkv')[0]) == 30


def test_empty_packets_of_an_avi_are_not_missing_frames(tmp_path) -> None:
    """AVI has no times. For each dropped frame, a recorder writes an empty packet."""
    path = tmp_path / 'in.avi'
    with av.open(str(path), 'w') as file:
        stream = file.add_stream('mpeg4', rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, 'yuv420p'
        for number, frame in enumerate(moving(6)):
            image = av.VideoFrame.from_ndarray(frame, format='rgb24')
            image.pts, image.time_base = 3 * number, Fraction(1, 25)
            file.mux(stream.encode(image))
        file.mux(stream.encode())
    with av.open(str(path)) as file:
        assert file.streams.video[0].frames == 16
    assert not passed_through(path, tmp_path / 'out.mkv')
    times = read_clip(tmp_path / 'out.mkv')[1]
    path.write_bytes(path.read_bytes()[:8500])  # without the last frames and the index
    assert any('could not be decoded and are missing' in note for note in passed_through(path, tmp_path / 'cut.mkv'))
    assert [float(time - times[0]) for time in times] == pytest.approx([0.12 * number for number in range(6)], abs=2e-3)


@pytest.mark.parametrize(
    ('codec', 'suffix', 'pixel_format', 'options', 'note'),
    [
        ('libx264', '.mp4', 'yuv420p', {'x264-params': 'interlaced=1', 'flags': '+ildct+ilme'}, 'it is interlaced'),
        ('prores_ks', '.mov', 'yuva444p10le', {'profile': '4444'}, 'its alpha channel is omitted'),
        ('qtrle', '.mov', 'rgb24', {}, None),
    ],
)
def test_lost_properties_of_the_video_are_noted(tmp_path, codec, suffix, pixel_format, options, note) -> None:
    path = tmp_path / f'in{suffix}'
    with av.open(str(path), 'w') as file:
        stream = file.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 160, 120, pixel_format
        for frame in moving(3):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format='rgb24')))
        file.mux(stream.encode())
    notes = passed_through(path, tmp_path / 'out.mkv')
    assert [entry.startswith(note) for entry in notes] == [True] if note else not notes


def test_truncated_file_is_noted(tmp_path) -> None:
    write_clip(tmp_path / 'in.ts', moving(30))
    data = (tmp_path / 'in.ts').read_bytes()
    (tmp_path / 'in.ts').write_bytes(data[: len(data) // 2])
    passed_through(tmp_path / 'in.ts', tmp_path / 'out.mkv')
    assert 8 < len(read_clip(tmp_path / 'out.mkv')[0]) < 25


def raw(green: bool, kr: float, kb: float) -> np.ndarray:
    """A raw 4:2:0 frame of 32x32 with limited range, of one colour by the definition of a matrix."""
    red, green_, blue = (0.2, 0.8, 0.3) if green else (0.9, 0.3, 0.2)
    y = kr * red + (1 - kr - kb) * green_ + kb * blue
    frame = np.empty((48, 32), np.uint8)
    frame[:32] = round(16 + 219 * y)
    frame[32:40] = round(128 + 224 * (blue - y) / (2 - 2 * kb))
    frame[40:] = round(128 + 224 * (red - y) / (2 - 2 * kr))
    return frame


@pytest.mark.parametrize(
    ('tag', 'kr', 'kb'), [(1, 0.2126, 0.0722), (5, 0.299, 0.114), (7, 0.212, 0.087), (9, 0.2627, 0.0593)]
)
def test_colour_matrix_is_kept(tmp_path, tag, kr, kb) -> None:
    """BT.709, BT.601, SMPTE 240M and BT.2020 are read by their definition and stored unchanged."""
    frames = [raw(green, kr, kb) for green in (True, False)]
    write_clip(tmp_path / 'in.mkv', frames, colours=(tag, 1))
    with VideoReader(tmp_path / 'in.mkv') as reader:
        seen = [frame.pixels[16, 16] / 255 for frame in reader.read()]
    np.testing.assert_allclose(seen, [(0.2, 0.8, 0.3), (0.9, 0.3, 0.2)], atol=0.015)
    passed_through(tmp_path / 'in.mkv', tmp_path / 'out.mkv')
    with av.open(str(tmp_path / 'out.mkv')) as file:
        assert file.streams.video[0].codec_context.colorspace == tag
        for frame, stored in zip(file.decode(video=0), frames, strict=True):
            assert np.abs(frame.to_ndarray().astype(int) - stored).max() <= 2


def test_colours_without_a_matrix_are_stored_as_bt709(tmp_path) -> None:
    """A video that stores RGB."""
    pixels = np.full((32, 32, 3), (40, 200, 90), np.uint8)
    with av.open(str(tmp_path / 'in.mkv'), 'w') as file:
        stream: Any = file.add_stream('libx264rgb', rate=25, options={'crf': '1'})
        stream.width, stream.height, stream.pix_fmt = 32, 32, 'rgb24'
        file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format='rgb24')))
        file.mux(stream.encode())
    passed_through(tmp_path / 'in.mkv', tmp_path / 'out.mkv')
    with av.open(str(tmp_path / 'out.mkv')) as file:
        (frame,) = file.decode(video=0)
        assert frame.colorspace == 1
        assert np.abs(frame.to_ndarray(format='rgb24').astype(int) - pixels).max() <= 4


def test_invalid_utf8_in_a_title_is_accepted(tmp_path) -> None:
    write_clip(tmp_path / 'in.mkv', moving(3))
    with av.open(str(tmp_path / 'in.mkv')) as old, av.open(str(tmp_path / 'title.mkv'), 'w') as new:
        new.metadata['title'] = 'TITLETITLE'
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.size:
                packet.stream = stream
                new.mux(packet)
    data = (tmp_path / 'title.mkv').read_bytes()
    (tmp_path / 'title.mkv').write_bytes(data.replace(b'TITLETITLE', b'TITLE\xff\xfe\xe9\xe9\xe9'))
    assert not passed_through(tmp_path / 'title.mkv', tmp_path / 'out.mkv')
    assert BASE and len(read_clip(tmp_path / 'out.mkv')[0]) == 3


@pytest.mark.parametrize('rate', [10, 30])
@pytest.mark.parametrize('container', ['h264', 'hevc', 'mjpeg'])
def test_raw_streams_play_at_their_own_rate(tmp_path, container, rate) -> None:
    """A raw stream of a recorder has no times. H.264 and HEVC state the rate; FFmpeg assumes 25 on average."""
    codec = {'h264': 'libx264', 'hevc': 'libx265', 'mjpeg': 'mjpeg'}[container]
    source = tmp_path / f'in.{container}'
    with av.open(str(source), 'w', format=container) as file:
        options = {'x265-params': 'log-level=none'} if container == 'hevc' else {}
        stream = file.add_stream(codec, rate=rate, options=options)
        stream.height, stream.width = 48, 64
        stream.pix_fmt = 'yuvj420p' if container == 'mjpeg' else 'yuv420p'
        for number in range(12):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(background(48, 64, number), format='rgb24')))
        file.mux(stream.encode())
    assert passed_through(source, tmp_path / 'out.mkv') == ()
    _, times = read_clip(tmp_path / 'out.mkv')
    expected = 25 if container == 'mjpeg' else rate
    assert [float(time) for time in times] == pytest.approx([number / expected for number in range(12)], abs=0.002)
