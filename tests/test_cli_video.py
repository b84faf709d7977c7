"""``rainrestore restore`` on videos: together with photos, resumable, named if they fail."""

import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('av')
from clips import audio, marked_frames, read_clip, write_clip
from PIL import Image
from processes import file_size_limit
from scenes import MarkerDetector

from rainrestore.apis import VideoSettings, plan_files
from rainrestore.apis.video import FrameRestorer
from rainrestore.cli.main import main
from rainrestore.faces import FaceCrop
from rainrestore.registry import FACE_DETECTORS

ROOT = Path(__file__).resolve().parents[1]
FACE = FaceCrop(60, 48, 56)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A video, a frame of it, and a file with the suffix of a video."""
    monkeypatch.setitem(FACE_DETECTORS.module_dict, 'MarkerDetector', MarkerDetector)
    place = tmp_path / 'in'
    (place / 'night').mkdir(parents=True)
    frames = marked_frames([FACE] * 4 + [None] * 8)
    write_clip(place / 'night' / 'gate.mp4', frames, sound=True)
    Image.fromarray(frames[0]).save(place / 'gate.png')
    (place / 'words.avi').write_bytes(b'these are words')
    return place


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]):
    def run(*words: object) -> tuple[int, dict, list[str]]:
        options = ['--model', str(ROOT / 'configs' / 'references' / 'bicubic_x4.py'), '--device', 'cpu']
        detector = [] if '--aligned' in words else ['--detector', 'MarkerDetector']
        code = main(['restore', *map(str, words), *options, *detector])
        output = capsys.readouterr()
        return code, json.loads(output.out.splitlines()[-1]) if code not in (2, 130) else {}, output.err.splitlines()

    return run


def tree(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob('*'))


def test_videos_and_images_of_a_folder_are_restored(folder, tmp_path, command) -> None:
    out = tmp_path / 'out'
    code, summary, errors = command(folder, '-o', out)
    assert code == 3 and summary['restored'] == 2
    assert [Path(path).name for path in summary['failed']] == ['words.avi']
    assert any('words.avi: cannot be decoded as a video' in error for error in errors)
    note = next(error for error in errors if 'note: ' in error)
    assert 'gate.mp4: ' in note and 'no face found in ' in note
    assert tree(out) == [
        'faces', 'faces/gate', 'faces/gate/0.png', 'manifest.jsonl', 'restored', 'restored/gate.png', 'restored/night',
        'restored/night/gate.mp4',
    ]  # fmt: skip
    assert len(read_clip(out / 'restored' / 'night' / 'gate.mp4')[0]) == 12
    assert [content for _, content in audio(out / 'restored' / 'night' / 'gate.mp4')] == [
        content for _, content in audio(folder / 'night' / 'gate.mp4')
    ]
    line = next(line for line in map(json.loads, (out / 'manifest.jsonl').open()) if line['name'].endswith('.mp4'))
    assert line['frames'] == 12 and line['faces'] == summary['faces'] - 1 == 12 - line['without']
    # A second run skips finished results, except damaged ones.
    assert command(folder, '-o', out)[1]['done_before'] == 2
    (out / 'restored' / 'night' / 'gate.mp4').write_bytes(b'')
    assert command(folder, '-o', out)[1]['restored'] == 1


def test_interrupted_video_is_resumed(folder, tmp_path, command, monkeypatch) -> None:
    out = tmp_path / 'out'
    with monkeypatch.context() as patch:
        patch.setattr('rainrestore.apis.video.VideoSettings', partial(VideoSettings, search_every=1, part_frames=5))
        calls = iter(range(100))
        original = MarkerDetector.__call__

        def stopping(self, photo):
            if next(calls) == 8:
                raise KeyboardInterrupt
            return original(self, photo)

        patch.setattr(MarkerDetector, '__call__', stopping)
        assert command(folder / 'night', '-o', out)[0] == 130
        assert tree(out / '.parts') == ['gate.mp4', 'gate.mp4/000000.json', 'gate.mp4/000000.mp4']
        assert not (out / 'restored' / 'gate.mp4').exists()
        assert command(folder / 'night', '-o', out)[0] == 0
    assert tree(out) == ['manifest.jsonl', 'restored', 'restored/gate.mp4']


def test_videos_and_images_are_planned_separately(folder, tmp_path) -> None:
    for name in ('a.mp4', 'a.MOV', 'a.webm', 'a.mkv', 'a.png'):
        (folder / name).touch()
    names = {name: path.name for name, path in plan_files([folder], tmp_path / 'out', videos=True).sources.items()}
    assert names == {
        'a.mp4': 'a.mp4', 'a.mov': 'a.MOV', 'a.webm.mkv': 'a.webm', 'a.mkv.mkv': 'a.mkv', 'a.png': 'a.png',
        'gate.png': 'gate.png', 'night/gate.mp4': 'gate.mp4', 'words.mkv': 'words.avi',
    }  # fmt: skip
    # If the images are aligned faces, videos are not searched for.
    assert sorted(plan_files([folder], tmp_path / 'out').sources) == ['a.png', 'gate.png']


def test_video_given_as_an_aligned_face_is_refused(folder, tmp_path, command) -> None:
    code, _, errors = command(folder / 'night' / 'gate.mp4', '--aligned', '-o', tmp_path / 'out')
    assert code == 2 and 'gate.mp4: is a video' in errors[-1]
    assert not list((tmp_path / 'out').rglob('*.mp4'))


def test_unreadable_part_fails_only_its_video(folder, tmp_path, command) -> None:
    data = bytearray((folder / 'night' / 'gate.mp4').read_bytes())
    start = data.find(b'mdat') + 600
    data[start : start + 400] = np.random.default_rng(0).bytes(400)
    (folder / 'night' / 'hit.mp4').write_bytes(data)
    code, summary, _ = command(folder, '-o', tmp_path / 'out')
    # FFmpeg skips some damage and reports the rest. A shorter video without a note is not allowed.
    assert code == 3 and summary['restored'] in (2, 3)
    hit = tmp_path / 'out' / 'restored' / 'night' / 'hit.mp4'
    assert not hit.exists() or len(read_clip(hit)[0]) == 12 or 'could be decoded' in str(summary['notes'])


def test_result_that_cannot_be_written_is_named_before_the_computation(folder, tmp_path, command, monkeypatch) -> None:
    out = tmp_path / 'out'
    (out / 'restored' / 'gate.mp4').mkdir(parents=True)
    monkeypatch.setattr(FrameRestorer, 'follow', None)
    code, summary, _ = command(folder / 'night' / 'gate.mp4', '-o', out)
    assert code == 3
    assert list(summary['failed'].values()) == [
        f'its result {out}/restored/gate.mp4 cannot be written (it is a folder)'
    ]
    shutil.rmtree(out / 'restored')
    (out / '.parts').write_text('a file')
    code, summary, _ = command(folder / 'night' / 'gate.mp4', '-o', out)
    reason = f'its result {out}/.parts/gate.mp4 cannot be written ({out}/.parts is not a folder)'
    assert code == 3 and list(summary['failed'].values()) == [reason]


@pytest.mark.parametrize('option', [None, '--sheet'])
def test_options_without_effect_on_a_video_are_noted(folder, tmp_path, command, option) -> None:
    source = folder / 'night' / 'gate.mp4'
    code, _, errors = command(source, '-o', tmp_path / 'out', *([option] if option else []))
    note = f'rainrestore: note: {source}: is a video, for which --sheet and --save-physics write nothing'
    assert code == 0 and (note in errors) == (option is not None)


def test_full_disk_names_the_part(folder, tmp_path, command) -> None:
    """A limit of the file size stands for the size of the disk. FFmpeg's error names no file."""
    out = tmp_path / 'out'
    with file_size_limit(2_000):
        code, summary, _ = command(folder / 'night' / 'gate.mp4', '-o', out)
    reason = f'its result {out}/.parts/gate.mp4/000000.mp4 cannot be written (File too large)'
    assert code == 3 and list(summary['failed'].values()) == [reason]
