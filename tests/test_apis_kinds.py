"""Images and videos are recognised by content. A failed file is named, and the other files are processed."""

import json
from pathlib import Path

import pytest
from PIL import Image
from scenes import MarkerDetector, draw_marker

from rainrestore.apis import PhotoRestorer, Restorer, plan_files, restore_files, restore_video
from rainrestore.apis.kinds import find_inputs, kind_of, video_suffix
from rainrestore.apis.video_files import VideoReader
from rainrestore.benchmark.scenes import background
from rainrestore.cli.main import main
from rainrestore.errors import ImageFileError
from rainrestore.faces import FaceCrop
from rainrestore.image_io import read_photo
from rainrestore.registry import FACE_DETECTORS

ROOT = Path(__file__).resolve().parents[1]
BICUBIC = ROOT / 'configs' / 'references' / 'bicubic_x4.py'
FACE = FaceCrop(40, 40, 40)


@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'GIF', 'BMP', 'WEBP', 'TIFF', 'PPM', 'AVIF'])
def test_images_without_a_suffix_are_recognised(tmp_path, kind) -> None:
    path = tmp_path / f'shot_{kind}'
    Image.fromarray(background(40, 40)).save(path, kind)
    assert kind_of(path) == 'image'
    assert find_inputs(tmp_path, videos=True) == ([path], [])


@pytest.mark.parametrize(
    ('container', 'result'),
    [('mp4', '.mp4'), ('mov', '.mp4'), ('matroska', '.mkv'), ('avi', '.mkv'), ('flv', '.mkv'), ('asf', '.mkv'),
     ('mpegts', '.mkv'), ('mpeg', '.mkv'), ('h264', '.mkv'), ('hevc', '.mkv'), ('mxf', '.mkv'), ('m2ts', '.mkv')],
)  # fmt: skip
def test_videos_without_a_suffix_are_recognised(tmp_path, container, result) -> None:
    av = pytest.importorskip('av')
    path = tmp_path / 'recording'
    codec = {'hevc': 'libx265', 'mpeg': 'mpeg2video', 'mxf': 'mpeg2video', 'asf': 'wmv2'}.get(container, 'libx264')
    options = {'mpegts_m2ts_mode': '1'} if container == 'm2ts' else {}
    options |= {'x265-params': 'log-level=none'} if codec == 'libx265' else {}
    with av.open(str(path), 'w', format={'m2ts': 'mpegts'}.get(container, container), options=options) as file:
        stream = file.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 64, 'yuv420p'
        for number in range(8):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(background(64, 64, number), format='rgb24')))
        file.mux(stream.encode())
    assert kind_of(path) == 'video' and video_suffix(path) == result
    assert find_inputs(tmp_path, videos=False) == ([], [path])
    assert list(plan_files([path], tmp_path / 'out', videos=True).sources) == [f'recording{result}']


def test_content_decides_against_a_wrong_suffix(tmp_path, capsys, monkeypatch) -> None:
    """A photo named like a video is restored as a photo, a video named like an image as a video."""
    clips = pytest.importorskip('clips')
    monkeypatch.setitem(FACE_DETECTORS.module_dict, 'MarkerDetector', MarkerDetector)
    place = tmp_path / 'in'
    place.mkdir()
    photo = background(80, 80)
    draw_marker(photo, FACE)
    Image.fromarray(photo).save(place / 'photo.mp4', 'PNG')
    clips.write_clip(tmp_path / 'clip.mp4', [photo] * 3)
    (tmp_path / 'clip.mp4').rename(place / 'clip.jpg')
    words = ['restore', str(place), '-o', str(tmp_path / 'out'), '--device', 'cpu', '--model', str(BICUBIC)]
    assert main([*words, '--detector', 'MarkerDetector']) == 0
    assert sorted(path.name for path in (tmp_path / 'out/restored').iterdir()) == ['clip.mp4', 'photo.png']
    assert len(clips.read_clip(tmp_path / 'out/restored/clip.mp4')[0]) == 3
    assert main([*words, '--aligned']) == 0
    assert f'note: {place}/clip.jpg: is a video and is skipped' in capsys.readouterr().err


@pytest.mark.parametrize('name', ['gate.mp4', 'gate.png', 'gate'])
def test_image_in_place_of_a_video_in_python(tmp_path, name) -> None:
    Image.fromarray(background(40, 40)).save(tmp_path / name, 'PNG')
    photos = PhotoRestorer(Restorer(BICUBIC, device='cpu'), boxes={tmp_path / name: [FACE]})
    with pytest.raises(ImageFileError, match=rf'{name}: is an image, not a video; restore it with photos\(path\)$'):
        restore_video(photos, tmp_path / name, tmp_path / 'out.mp4')
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize('name', ['yard.mjpeg', 'yard.MJPG'])
def test_stream_of_jpeg_images_is_a_video(tmp_path, name) -> None:
    pytest.importorskip('av')
    with (tmp_path / name).open('wb') as file:
        for number in range(3):
            Image.fromarray(background(40, 40, number)).save(file, 'JPEG')
    assert kind_of(tmp_path / name) == 'video'
    with VideoReader(tmp_path / name) as reader:
        assert len(list(reader.read())) == 3


def test_other_files_are_neither_image_nor_video(tmp_path) -> None:
    for name, content in {
        'notes.txt': b'rain', 'empty': b'', 'boxes.csv': b'file,x,y', 'song.ogg': b'OggS', 'BMX': b'BM, said the note',
        'Pages': b'Pages of text',
    }.items():  # fmt: skip
        (tmp_path / name).write_bytes(content)
        assert kind_of(tmp_path / name) is None
    assert kind_of(tmp_path / 'gone') is None and kind_of(tmp_path) is None
    # An image suffix decides for an empty file, so that the error can name the damaged file.
    (tmp_path / 'empty.png').write_bytes(b'')
    assert kind_of(tmp_path / 'empty.png') == 'image' and kind_of(Path('x.MTS')) == 'video'


def test_skipped_files_of_a_folder_are_named(tmp_path, capsys) -> None:
    place = tmp_path / 'in'
    (place / 'Night').mkdir(parents=True)
    image = Image.fromarray(background(40, 40))
    for name in ('a.jfif', 'b.GIF', 'Night/c.AVIF', 'd', 'e.png'):
        kind = {'a.jfif': 'JPEG', 'b.GIF': 'GIF', 'Night/c.AVIF': 'AVIF'}.get(name, 'PNG')
        image.save(place / name, kind)
    (place / 'notes.txt').write_text('rain')
    (place / 'readme.md').write_text('rain')
    words = [
        'restore',
        str(place),
        '--aligned',
        '-o',
        str(tmp_path / 'out'),
        '--model',
        str(BICUBIC),
        '--device',
        'cpu',
    ]
    assert main(words) == 0
    output = capsys.readouterr()
    assert f'rainrestore: note: {place}/notes.txt: is not an image and is skipped (2 files in total)' in output.err
    summary = json.loads(output.out.splitlines()[-1])
    assert summary['restored'] == 5 and summary['passed_over'] == [f'{place}/notes.txt', f'{place}/readme.md']


@pytest.mark.parametrize('options', [['--aligned'], ['--task', 'rain'], ['--preview']])
def test_videos_of_a_folder_are_no_broken_images(tmp_path, capsys, options, monkeypatch) -> None:
    """Where no videos are restored, a line names what restores them."""
    monkeypatch.setitem(FACE_DETECTORS.module_dict, 'MarkerDetector', MarkerDetector)
    place = tmp_path / 'in'
    place.mkdir()
    for name in ('gate.mp4', 'yard.dat'):
        (place / name).write_bytes(b'\0\0\0\x18ftypmp42')
    words = ['restore', str(place), '-o', str(tmp_path / 'out'), '--device', 'cpu', *options]
    words += ['--model', 'hrrm_scenes' if 'rain' in options else str(BICUBIC)]
    words += ['--detector', 'MarkerDetector'] * ('--preview' in options)
    what = 'only the tasks faces and renovate, without --aligned and --preview, restore videos'
    assert main(words) == 2
    assert capsys.readouterr().err.endswith(f'{place}/gate.mp4: is a video; {what}\n')
    (place / 'notes.txt').write_text('rain')
    photo = background(80, 80)
    draw_marker(photo, FaceCrop(40, 40, 60))
    Image.fromarray(photo).save(place / 'a.png')
    assert main(words) == 0
    notes = capsys.readouterr().err
    assert f'rainrestore: note: {place}/gate.mp4: is a video and is skipped (2 files in total); {what}\n' in notes
    assert f'rainrestore: note: {place}/notes.txt: is not an image and is skipped\n' in notes


def test_video_in_place_of_an_image_in_python(tmp_path) -> None:
    restorer, clip = Restorer(BICUBIC, device='cpu'), tmp_path / 'gate.mp4'
    clip.write_bytes(b'\0\0\0\x18ftypmp42')
    for source in (str(clip), clip, tmp_path, [clip]):
        with pytest.raises(ImageFileError, match=r'gate\.mp4: is a video, not an image; use .*restore_video'):
            restorer(source)
    with pytest.raises(ImageFileError, match='no such file'):
        restorer(tmp_path / 'gone.mp4')
    with pytest.raises(ImageFileError, match='File name too long'):
        restorer('x' * 5000)
    with pytest.raises(ImageFileError, match="'': no such file"):
        restorer('')


def test_unexpected_error_fails_one_file_only(tmp_path, monkeypatch) -> None:
    """Errors in the network, in reading and in writing, for images, photos and videos."""
    for name in ('a', 'b', 'c', 'd'):
        Image.fromarray(background(40, 40)).save(tmp_path / f'{name}.png')
    restorer = Restorer(BICUBIC, device='cpu')
    original = Restorer.restore

    def failing(self, images, names=None):
        if any(str(name).endswith('b.png') for name in names):
            raise RuntimeError('a network of another day')
        return original(self, images, names)

    monkeypatch.setattr(Restorer, 'restore', failing)

    def reading(path):
        if path.name == 'c.png':
            raise MemoryError('80 GB')
        return read_photo(path)

    monkeypatch.setattr('rainrestore.apis.files.read_photo', reading)
    plan = plan_files([tmp_path], tmp_path / 'out')
    outcomes = {outcome.source.name: outcome for outcome in restore_files(restorer, plan)}
    assert {name: outcome.state for name, outcome in outcomes.items()} == {
        'a.png': 'restored', 'b.png': 'failed', 'c.png': 'failed', 'd.png': 'restored',
    }  # fmt: skip
    assert outcomes['b.png'].reason == 'RuntimeError: a network of another day'
    assert outcomes['c.png'].reason == 'MemoryError: 80 GB'


def test_failed_video_does_not_stop_the_other_videos(tmp_path, monkeypatch) -> None:
    clips = pytest.importorskip('clips')
    for name in ('a.mp4', 'b.mp4'):
        clips.write_clip(tmp_path / name, [background(64, 64, seed) for seed in range(3)])
    boxes = {(tmp_path / name).resolve(): [FACE] for name in ('a.mp4', 'b.mp4')}
    photos = PhotoRestorer(Restorer(BICUBIC, device='cpu'), boxes=boxes)
    monkeypatch.setattr('rainrestore.apis.video.join_parts', _failing_once(ValueError('template stream')))
    plan = plan_files([tmp_path / 'a.mp4', tmp_path / 'b.mp4'], tmp_path / 'out', videos=True)
    assert [(outcome.state, outcome.reason) for outcome in restore_files(photos, plan)] == [
        ('failed', 'ValueError: template stream'), ('restored', ''),
    ]  # fmt: skip


def _failing_once(error: Exception):
    from rainrestore.apis.video_files import join_parts

    calls = iter((error,))

    def join(*arguments):
        if (failure := next(calls, None)) is not None:
            raise failure
        return join_parts(*arguments)

    return join
