"""``rainrestore restore``: complete results of the model. Failed images are named and have no result."""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from rainrestore.apis import ImageError, Restoration, Restorer, plan_files, restore_files
from rainrestore.cli.main import main
from rainrestore.errors import ConfigError

ROOT = Path(__file__).resolve().parents[1]
BICUBIC = ROOT / 'configs' / 'references' / 'bicubic_x4.py'


def face(seed: int = 0, height: int = 32, width: int = 32) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def save(path: Path, seed: int = 0, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(face(seed)).save(path, **options)
    return path


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    folder = tmp_path / 'faces'
    for number in range(3):
        save(folder / f'{number}.png', number)
    return folder


class Command:
    """Runs the command with the fastest method and keeps its output."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *words: object, model: object = BICUBIC) -> int:
        code = main(['restore', *map(str, words), '--aligned', '--model', str(model), '--device', 'cpu'])
        output = self.capsys.readouterr()
        self.errors = output.err.splitlines()
        self.summary = json.loads(output.out.splitlines()[-1]) if code != 2 else {}
        return code

    @property
    def counts(self) -> tuple[int, int, int]:
        return self.summary['restored'], self.summary['done_before'], len(self.summary['failed'])


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(capsys)


class Negative:
    """Replaces the restorer; any class with this interface can."""

    fingerprint = 'negative'

    def __init__(self) -> None:
        self.seen = 0

    def restore(self, images, names):
        if any(image[0, 0, 0] == 66 for image in images):
            raise ImageError('item 0', 'is sixty-six')
        self.seen += len(images)
        return [Restoration(face=255 - image, I=image / np.float32(255)) for image in images]


def tree(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob('*') if path.is_file())


def outcomes(source: Path, out: Path, restorer: object = None, **options: object) -> list[tuple[str, str]]:
    done = restore_files(restorer or Negative(), plan_files([source], out), **options)
    return [(outcome.source.name, outcome.state) for outcome in done]


def test_results_equal_the_output_of_the_network(tmp_path, command, portraits):
    source = tmp_path / 'still.jpg'
    shutil.copy(portraits / 'test' / 'img' / 'test_0000.jpg', source)
    out = tmp_path / 'out'
    assert command(source, '-o', out, '--save-physics', '--sheet', model='fcg_gan_x4') == 0
    kinds = [f'{kind}/still.png' for kind in ('A', 'J', 'S', 'T')]
    assert tree(out) == [*kinds, 'manifest.jsonl', 'restored/still.png', 'sheets/still.png']
    expected = Restorer('fcg_gan_x4', device='cpu')(source, maps=True)
    np.testing.assert_array_equal(np.asarray(Image.open(out / 'restored' / 'still.png')), expected.face)
    np.testing.assert_array_equal(np.asarray(Image.open(out / 'J' / 'still.png')), np.rint(expected.J * 255))
    for kind in 'STA':
        pixels = cv2.imread(str(out / kind / 'still.png'), cv2.IMREAD_UNCHANGED)
        assert pixels.dtype == np.uint16
        pixels = pixels[..., ::-1] if pixels.ndim == 3 else pixels[..., None]
        np.testing.assert_allclose(pixels / 65535, getattr(expected, kind), atol=1e-5)
    sheet = Image.open(out / 'sheets' / 'still.png')
    assert sheet.width > 7 * 128
    assert command.summary['faces_per_second'] > 0
    assert command(source, '-o', out, '--save-physics', model='fcg_gan_x4') == 0
    assert command.counts == (0, 1, 0)


def test_sub_folders_are_kept(faces, tmp_path, command):
    save(faces / 'sub' / 'deep' / '0.jpg')
    save(faces / '.hidden' / 'h.png')
    save(faces / '.hidden.png')
    (faces / 'notes.txt').write_text('no image')
    assert command(faces, '-o', tmp_path / 'out') == 0
    assert tree(tmp_path / 'out' / 'restored') == ['0.png', '1.png', '2.png', 'sub/deep/0.png']
    pattern = faces / '[12].png'
    assert command(pattern, '-o', tmp_path / 'two') == 0
    assert tree(tmp_path / 'two' / 'restored') == ['1.png', '2.png']
    save(faces / '[12].png', 9)
    assert command(pattern, '-o', tmp_path / 'three') == 0
    assert tree(tmp_path / 'three' / 'restored') == ['[12].png']


def test_equal_names_have_separate_results(tmp_path, command):
    names = ('a.jpg', 'a.png', 'A.bmp', 'a.jpg.png', 'b.tar.png', 'x/a.png', 'x/c', 'y/a.png')
    for number, name in enumerate(names):
        save(tmp_path / 'in' / name, number, format='PNG')
    out = tmp_path / 'out'
    assert command(tmp_path / 'in', tmp_path / 'in' / 'x' / 'c', '-o', out) == 0
    assert tree(out / 'restored') == sorted([
        'a.jpg.png', 'a.png.png', 'A.bmp.png', 'a.jpg.png.png', 'b.tar.png', 'x/a.png', 'x/c.png', 'y/a.png',
    ])  # fmt: skip
    lines = [json.loads(line) for line in (out / 'manifest.jsonl').read_text().splitlines()]
    restorer = Restorer(BICUBIC, device='cpu')
    for line in lines:
        restored = np.asarray(Image.open(out / 'restored' / line['name']))
        np.testing.assert_array_equal(restored, restorer(line['source']))
    # from two folders, one of them given twice
    assert command(tmp_path / 'in' / 'y', tmp_path / 'in' / 'x' / 'a.png', tmp_path / 'in' / 'x', '-o', out / '2') == 0
    assert tree(out / '2' / 'restored') == ['x/a.png', 'x/c.png', 'y/a.png']


def test_second_run_restores_only_what_is_missing(faces, tmp_path):
    out = tmp_path / 'out'
    restorer = Negative()
    assert outcomes(faces, out, restorer) == [('0.png', 'restored'), ('1.png', 'restored'), ('2.png', 'restored')]
    save(faces / '3.png', 3)
    (out / 'restored' / '0.png').write_bytes(b'cut')
    (out / 'restored' / '1.png').unlink()
    save(faces / '2.png', 22)
    assert outcomes(faces, out, restorer) == [
        ('0.png', 'restored'), ('1.png', 'restored'), ('2.png', 'restored'), ('3.png', 'restored')
    ]  # fmt: skip
    assert {state for _, state in outcomes(faces, out, restorer)} == {'done'}
    np.testing.assert_array_equal(np.asarray(Image.open(out / 'restored' / '2.png')), 255 - face(22))
    assert restorer.seen == 7
    # a map that the model does not predict does not count as missing
    assert {state for _, state in outcomes(faces, out, restorer, physics=True)} == {'restored'}
    assert {state for _, state in outcomes(faces, out, restorer, physics=True)} == {'done'}
    other = Negative()
    other.fingerprint = 'another model'
    assert {state for _, state in outcomes(faces, out, other)} == {'restored'}


def test_damaged_entries_of_the_manifest_are_ignored(faces, tmp_path):
    out = tmp_path / 'out'
    outcomes(faces, out)
    first, *rest = (out / 'manifest.jsonl').read_text().splitlines()
    lies = ['', '[]', '7', '{"name": 3}', json.dumps({**json.loads(first), 'sha256': 'x'}), '\x00', '[' * 50_000]
    (out / 'manifest.jsonl').write_text('\n'.join([*lies, *rest]) + '\n' + first[:40])
    assert sorted(outcomes(faces, out)) == [('0.png', 'restored'), ('1.png', 'done'), ('2.png', 'done')]
    assert {state for _, state in outcomes(faces, out)} == {'done'}
    # A result without an entry is made again.
    (out / 'manifest.jsonl').unlink()
    assert {state for _, state in outcomes(faces, out)} == {'restored'}


def test_unreadable_images_are_named_and_the_rest_is_restored(faces, tmp_path, command):
    (faces / '0a.png').touch()
    (faces / '1a.jpg').write_bytes(b'these are words')
    whole = (faces / '1.png').read_bytes()
    (faces / '2a.png').write_bytes(whole[: len(whole) // 2])
    Image.new('RGB', (1, 1)).save(faces / 'dot.png')
    assert command(faces, '-o', tmp_path / 'out', '--batch', 2) == 3
    assert command.counts == (3, 0, 4)
    assert [Path(path).name for path in command.summary['failed']] == ['0a.png', '1a.jpg', '2a.png', 'dot.png']
    assert len(command.errors) == 4 and all(line.startswith('rainrestore: failed: ') for line in command.errors)
    assert 'dot.png: 1x1 pixels are too few' in command.errors[3]
    assert tree(tmp_path / 'out' / 'restored') == ['0.png', '1.png', '2.png']
    assert command(faces, '-o', tmp_path / 'out') == 3
    assert command.counts == (0, 3, 4)
    assert command(faces / '0a.png', '-o', tmp_path / 'out') == 3


def test_failed_image_does_not_stop_the_others(faces, tmp_path):
    image = face(8)
    image[0, 0, 0] = 66
    Image.fromarray(image).save(faces / '1b.png')
    states = dict(outcomes(faces, tmp_path / 'out', batch=16))
    assert states == {'0.png': 'restored', '1.png': 'restored', '1b.png': 'failed', '2.png': 'restored'}
    assert tree(tmp_path / 'out' / 'restored') == ['0.png', '1.png', '2.png']


@pytest.mark.parametrize(
    'name', ['a b.png', 'naïve größe 日本 🙂.png', 'it\'s "quoted".png', '-dash.png', 'new\nline.png']
)
def test_unusual_names_are_accepted(tmp_path, command, name):
    save(tmp_path / 'in' / name)
    assert command(tmp_path / 'in', '-o', tmp_path / 'out dir ü') == 0
    assert tree(tmp_path / 'out dir ü' / 'restored') == [name]
    (tmp_path / 'in' / name).write_bytes(b'')
    assert command(tmp_path / 'in', '-o', tmp_path / 'out dir ü') == 3
    assert len(command.errors) == 1


def test_undecodable_name_is_restored_and_too_long_name_is_named(tmp_path, command):
    folder = tmp_path / 'in'
    save(folder / ('x' * 251 + '.png'))
    save(folder / 'a.png').rename(os.fsdecode(os.fsencode(folder) + b'/\xff\xfe.png'))
    save(folder / ('y' * 251 + '.bmp'))
    save(folder / ('y' * 251 + '.png'))
    assert command(folder, '-o', tmp_path / 'out') == 3
    # With suffixes against equal names, the last two names would be too long.
    assert command.counts == (2, 0, 2)
    assert 'cannot be written (File name too long)' in command.errors[0]


def test_empty_folders_and_missing_inputs_are_named(tmp_path, command):
    (tmp_path / 'empty').mkdir()
    for source, message in (
        (tmp_path / 'empty', 'contains no images'),
        (tmp_path / 'none.png', 'no such file or folder'),
        (tmp_path / '*.png', 'no such file or folder'),
        ('rtsp://camera/1', 'is an address, not a file; download or record it first'),
        (' ', 'an input is an empty text: name a file, a folder or a pattern'),
    ):
        assert command(source, '-o', tmp_path / 'out') == 2
        assert len(command.errors) == 1 and message in command.errors[0] and str(source) in command.errors[0]
    assert not (tmp_path / 'out').exists()
    assert command(save(tmp_path / 'a.png'), '-o', tmp_path / 'out', model='fcg_gan_x44') == 2
    assert "did you mean 'fcg_gan_x4'" in command.errors[0]


def test_no_inputs_and_impossible_options_are_named(faces, tmp_path):
    with pytest.raises(ConfigError, match='no inputs: name a file, a folder or a pattern'):
        plan_files([], tmp_path / 'out')
    for options in ({'batch': 0}, {'kinds': []}):
        with pytest.raises(ConfigError, match='batch must be at least 1, kinds must name a kind, got'):
            outcomes(faces, tmp_path / 'out', **options)


def test_linked_files_are_restored_and_linked_folders_skipped(faces, tmp_path, command):
    elsewhere = save(tmp_path / 'elsewhere' / 'target.png', 5)
    (faces / 'linked.png').symlink_to(elsewhere)
    (faces / 'loop.png').symlink_to(faces / 'loop.png')
    (faces / 'nowhere.png').symlink_to(tmp_path / 'none.png')
    (faces / 'round').symlink_to(faces)
    (faces / 'away').symlink_to(elsewhere.parent)
    assert command(faces, '-o', tmp_path / 'out') == 3
    assert tree(tmp_path / 'out' / 'restored') == ['0.png', '1.png', '2.png', 'linked.png']
    assert [Path(path).name for path in command.summary['failed']] == ['loop.png', 'nowhere.png']
    assert 'Too many levels of symbolic links' in command.errors[0]
    assert command.errors[1].endswith('nowhere.png: is a link to a missing file')
    # A named folder is entered, even if it is a link.
    assert command(faces / 'away', '-o', tmp_path / 'named') == 0
    assert tree(tmp_path / 'named' / 'restored') == ['target.png']


def test_pipes_sockets_and_folders_are_skipped(faces, tmp_path, command, monkeypatch):
    os.mkfifo(faces / 'pipe.png')
    monkeypatch.chdir(faces)
    with socket.socket(socket.AF_UNIX) as end:
        end.bind('socket.png')
        assert command(faces, '/dev/zero', '-o', tmp_path / 'out') == 3
    assert command.counts == (3, 0, 3)
    assert all('is not a file' in reason for reason in command.summary['failed'].values())


def bomb(path: Path, side: int) -> Path:
    """A PNG of a few hundred bytes whose header states ``side`` x ``side`` pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))

    header = struct.pack('>IIBBBBB', side, side, 8, 2, 0, 0, 0)
    data = chunk(b'IHDR', header) + chunk(b'IDAT', zlib.compress(bytes(100_000))) + chunk(b'IEND', b'')
    path.write_bytes(b'\x89PNG\r\n\x1a\n' + data)
    return path


@pytest.mark.parametrize('side', [11_000, 60_000, 2**31 - 1])
def test_decompression_bombs_are_refused(faces, tmp_path, command, side):
    bomb(faces / 'bomb.png', side)
    assert command(faces, '-o', tmp_path / 'out') == 3
    assert command.counts == (3, 0, 1)
    assert len(command.errors) == 1 and 'bomb.png' in command.errors[0] and 'pixels' in command.errors[0]


def test_other_image_formats_are_restored(tmp_path, command):
    folder = tmp_path / 'in'
    folder.mkdir()
    pixels = face(1)
    Image.fromarray(pixels[:, :, 0].astype(np.uint16) * 257).save(folder / 'sixteen.png')
    Image.fromarray(pixels).convert('CMYK').save(folder / 'cmyk.tif')
    exif = Image.Exif()
    exif[0x0112] = 6  # the tag rotates the image by 90 degrees clockwise
    Image.fromarray(pixels[:24]).save(folder / 'turned.png', exif=exif)
    second = [Image.fromarray(255 - pixels)]
    Image.fromarray(pixels).save(folder / 'moves.webp', save_all=True, append_images=second, lossless=True)
    Image.fromarray(pixels).save(folder / 'moves.png', save_all=True, append_images=second)
    moving = Image.fromarray(pixels).convert('P', palette=Image.Palette.ADAPTIVE)
    moving.save(tmp_path / 'moves.gif', save_all=True, append_images=second)
    assert command(folder, tmp_path / 'moves.gif', '-o', tmp_path / 'out') == 0
    restorer = Restorer(BICUBIC, device='cpu')
    expected = {
        'in/sixteen': np.repeat(pixels[:, :, :1], 3, axis=2),
        'in/cmyk': pixels,
        'in/turned': np.rot90(pixels[:24], -1),
        'in/moves.webp': pixels,
        'in/moves.png': pixels,
        'moves': np.asarray(moving.convert('RGB')),
    }
    for name, image in expected.items():
        restored = np.asarray(Image.open(tmp_path / 'out' / 'restored' / f'{name}.png'))
        # The first frame of an animation; the conversion from CMYK rounds.
        assert np.abs(restored.astype(int) - restorer(np.ascontiguousarray(image))).max() <= 2, name


def test_images_without_a_defined_white_are_named(tmp_path, command):
    folder = tmp_path / 'in'
    folder.mkdir()
    Image.fromarray(np.ones((32, 32), np.float32)).save(folder / 'float.tif')
    (folder / 'script.png').write_bytes(b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 32\nshowpage\n')
    assert command(folder, '-o', tmp_path / 'out') == 3
    assert 'no defined white' in command.errors[0]
    assert 'not a readable image' in command.errors[1]
    assert tree(tmp_path / 'out') == ['manifest.jsonl']


def test_results_stay_in_the_output_folder_and_never_replace_inputs(faces, tmp_path, command):
    before = {path: (faces / path).read_bytes() for path in tree(faces)}
    assert command(faces, '-o', faces) == 2
    assert 'is an input; choose' in command.errors[0]
    # On a second run, the sub-folder of the results is not input.
    for counts in ((3, 0, 0), (0, 3, 0)):
        assert command(faces, '-o', faces / 'out') == 0
        assert command.counts == counts
    shutil.rmtree(faces / 'out')
    inside = save(tmp_path / 'out' / 'restored' / 'a.png', 7)
    kept = inside.read_bytes()
    assert command(inside, '-o', tmp_path / 'out') == 2
    assert 'would overwrite the input' in command.errors[0]
    (tmp_path / 'linked' / 'restored').mkdir(parents=True)
    os.link(inside, tmp_path / 'linked' / 'restored' / '0.png')
    assert command(inside, faces / '0.png', '-o', tmp_path / 'linked') == 0
    assert inside.read_bytes() == kept
    (tmp_path / 'away' / 'restored').mkdir(parents=True)
    (tmp_path / 'away' / 'restored' / '0.png').symlink_to(faces / '0.png')
    assert command(faces, '-o', tmp_path / 'away') == 2
    # A link in OUT has a target outside OUT.
    (tmp_path / 'out3').mkdir()
    (tmp_path / 'other').mkdir()
    (tmp_path / 'out3' / 'restored').symlink_to(tmp_path / 'other')
    assert command(faces, '-o', tmp_path / 'out3') == 3
    assert 'a link leads out of' in command.errors[0] and tree(tmp_path / 'other') == []
    (tmp_path / 'out4').mkdir()
    (tmp_path / 'out4' / 'manifest.jsonl').symlink_to(tmp_path / 'other' / 'mine.txt')
    assert command(faces, '-o', tmp_path / 'out4') == 2
    assert tree(tmp_path / 'other') == []
    assert before == {path: (faces / path).read_bytes() for path in tree(faces)}


def test_unusable_output_folder_is_named(faces, tmp_path, command):
    assert command(faces, '-o', tmp_path / 'face.png') == 2
    assert 'the output must be a folder' in command.errors[0]
    (tmp_path / 'file').write_text('here')
    assert command(faces, '-o', tmp_path / 'file') == 2
    assert command(faces, '-o', tmp_path / 'file' / 'out') == 2
    assert 'cannot be written (Not a directory); choose another folder' in command.errors[0]
    assert (tmp_path / 'file').read_text() == 'here'


def test_result_that_cannot_be_written_is_named_by_its_path(faces, tmp_path, command):
    (tmp_path / 'one').mkdir()
    (tmp_path / 'one' / 'restored').write_text('a file')
    assert command(faces, '-o', tmp_path / 'one') == 3
    result = tmp_path / 'one' / 'restored' / '0.png'
    reason = f'its result {result} cannot be written ({tmp_path}/one/restored is not a folder)'
    assert command.errors[0] == f'rainrestore: failed: {faces}/0.png: {reason}' and len(command.errors) == 3
    (tmp_path / 'two' / 'restored' / '1.png').mkdir(parents=True)
    assert command(faces, '-o', tmp_path / 'two') == 3
    reason = f'its result {tmp_path}/two/restored/1.png cannot be written (Is a directory)'
    assert command.errors == [f'rainrestore: failed: {faces}/1.png: {reason}']
    (tmp_path / 'three' / 'manifest.jsonl').mkdir(parents=True)
    assert command(faces, '-o', tmp_path / 'three') == 2
    assert f'{tmp_path}/three/manifest.jsonl: cannot be written (Is a directory)' in command.errors[0]


@pytest.mark.parametrize(
    'words', [['config', 'hrrm_x4', '-o'], ['browse', str(BICUBIC), '--images', '1', '--out']], ids=['config', 'browse']
)
def test_other_commands_name_a_result_that_cannot_be_written(words, tmp_path, capsys):
    (tmp_path / 'file').write_text('here')
    suffix = '.py' if words[0] == 'config' else '.png'
    assert main([*words, str(tmp_path / 'file' / f'result{suffix}')]) == 2
    said = f'{tmp_path}/file/result{suffix}: cannot be written ({tmp_path}/file is not a folder); choose another place'
    assert capsys.readouterr().err.splitlines()[-1] == f'rainrestore: error: {said}'


def test_read_only_folder_is_named(faces, tmp_path, command, monkeypatch):
    # Root may write into read-only folders, so the test raises the error of the system itself.
    real = os.open

    def refuse(path, *args, **options):
        if Path(path).name == 'manifest.jsonl':
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return real(path, *args, **options)

    monkeypatch.setattr(os, 'open', refuse)
    assert command(faces, '-o', tmp_path / 'out') == 2
    assert len(command.errors) == 1 and 'out/manifest.jsonl: cannot be written (Read-only' in command.errors[0]


def test_full_disk_stops_the_run_without_partial_files(faces, tmp_path, command, monkeypatch):
    real = Path.write_bytes
    written = []

    def write(path, data):
        written.append(path)
        if len(written) > 1:
            real(path, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(path, data)

    out = tmp_path / 'out'
    with monkeypatch.context() as patch:
        patch.setattr(Path, 'write_bytes', write)
        assert command(faces, '-o', out) == 2
    assert len(command.errors) == 1 and 'No space left on device' in command.errors[0]
    assert tree(out) == ['manifest.jsonl', 'restored/0.png']
    assert command(faces, '-o', out) == 0
    assert command.counts == (2, 1, 0)


def test_removed_output_folder_stops_the_run(faces, tmp_path):
    out = tmp_path / 'out'
    with pytest.raises(ConfigError, match=r'manifest\.jsonl was removed during the run; run the command again'):
        [shutil.rmtree(out) for _ in restore_files(Negative(), plan_files([faces], out), batch=1)]


def test_interruption_before_renaming_leaves_no_result(faces, tmp_path, monkeypatch):
    def interrupt(*_args):
        raise KeyboardInterrupt

    out = tmp_path / 'out'
    with monkeypatch.context() as patch:
        patch.setattr(Path, 'replace', interrupt)
        assert (
            main(['restore', str(faces), '-o', str(out), '--aligned', '--model', str(BICUBIC), '--device', 'cpu'])
            == 130
        )
    assert tree(out) == ['manifest.jsonl']
    assert (out / 'manifest.jsonl').read_text() == ''


def test_folder_that_cannot_be_listed_is_named(faces, tmp_path, monkeypatch):
    (faces / 'locked').mkdir()
    real = os.scandir

    def scandir(path):
        if Path(path).name == 'locked':
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path)

    monkeypatch.setattr(os, 'scandir', scandir)
    plan = plan_files([faces], tmp_path / 'out')
    assert plan.unlisted == {faces / 'locked': 'cannot be listed (Permission denied)'}
    states = [outcome.state for outcome in restore_files(Negative(), plan)]
    assert sorted(states) == ['failed', 'restored', 'restored', 'restored']


def test_inputs_can_be_paths(faces, tmp_path):
    with pytest.raises(ConfigError, match='no such file'):
        plan_files([faces, tmp_path / 'none'], tmp_path / 'out')
    assert sorted(plan_files([str(faces), faces / '0.png'], tmp_path / 'out').sources) == ['0.png', '1.png', '2.png']


def test_results_in_an_input_folder_are_not_inputs(faces, tmp_path, command):
    first, second = faces / 'first', faces / 'deep' / 'second'
    assert command(faces, '-o', first) == 0 and command.counts == (3, 0, 0)
    assert command(faces, '-o', second) == 0 and command.counts == (3, 0, 0)
    assert sum('has results of an earlier run, which are skipped' in line for line in command.errors) == 1
    # Results are inputs if their folder is named.
    assert command(first / 'restored', '-o', tmp_path / 'third') == 0 and command.counts == (3, 0, 0)
    assert command(first, '-o', tmp_path / 'fourth') == 2
    assert 'contains only results of an earlier run' in command.errors[-1]
    # A file manifest.jsonl alone does not make a folder of results.
    save(tmp_path / 'other' / 'mine.png').with_name('manifest.jsonl').write_text('{}')
    assert command(tmp_path / 'other', '-o', tmp_path / 'fifth') == 0 and command.counts == (1, 0, 0)


def test_file_and_folder_of_one_name_are_restored(tmp_path, command):
    save(tmp_path / 'in' / 'a.jpg')
    save(tmp_path / 'in' / 'A.png' / 'b.png', 1)
    assert command(tmp_path / 'in', '-o', tmp_path / 'out') == 0
    assert tree(tmp_path / 'out' / 'restored') == ['A.png/b.png', 'a.jpg.png']


@pytest.mark.parametrize('suffix', ['gif', 'tiff', 'webp', 'png'])
def test_further_frames_are_noted(tmp_path, command, suffix):
    frames = [Image.fromarray(face(number)) for number in range(3)]
    (tmp_path / 'in').mkdir()
    frames[0].save(tmp_path / 'in' / f'several.{suffix}', save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / 'in' / f'one.{suffix}')
    for states in ((2, 0, 0), (0, 2, 0)):
        assert command(tmp_path / 'in', '-o', tmp_path / 'out') == 0 and command.counts == states
        assert list(command.summary['notes'].values()) == [['has several frames or pages; only the first is restored']]
        assert f'several.{suffix}' in next(iter(command.summary['notes']))


@pytest.mark.parametrize('out', ['', ' '])
def test_empty_output_folder_is_refused(faces, command, out):
    with pytest.raises(SystemExit) as ended:
        command(faces, '-o', out)
    assert ended.value.code == 2 and 'expected a file or folder, got an empty text' in command.capsys.readouterr().err
