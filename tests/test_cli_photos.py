"""``rainrestore restore`` on whole photos: detected and marked faces, complete results, resuming, exit codes."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scenes import MarkerDetector, draw_marker

from rainrestore.apis import PhotoRestorer, Restorer
from rainrestore.benchmark.scenes import background
from rainrestore.cli.main import main
from rainrestore.errors import ConfigError
from rainrestore.faces import FaceCrop, read_boxes
from rainrestore.registry import FACE_DETECTORS

ROOT = Path(__file__).resolve().parents[1]
BICUBIC = ROOT / 'configs' / 'references' / 'bicubic_x4.py'
CROPS = (FaceCrop(50, 60, 70), FaceCrop(140, 50, 48))


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of photos with two faces, one face and no face; the detector that finds them is registered."""
    monkeypatch.setitem(FACE_DETECTORS.module_dict, 'MarkerDetector', MarkerDetector)
    for name, crops in (('two.png', CROPS), ('sub/one.png', CROPS[:1]), ('none.png', ())):
        photo = background(120, 200)
        for crop in crops:
            draw_marker(photo, crop)
        (tmp_path / 'in' / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo).save(tmp_path / 'in' / name)
    return tmp_path / 'in'


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]):
    def run(
        *words: object, detector: str | None = 'MarkerDetector', model: object = BICUBIC
    ) -> tuple[int, dict, list[str]]:
        options = ['--detector', detector] if detector else []
        code = main(['restore', *map(str, words), '--model', str(model), '--device', 'cpu', *options])
        output = capsys.readouterr()
        return code, json.loads(output.out.splitlines()[-1]) if code != 2 else {}, output.err.splitlines()

    return run


def tree(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob('*') if path.is_file())


def read(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_photos_of_a_folder_are_restored(photos, tmp_path, command) -> None:
    out = tmp_path / 'out'
    code, summary, errors = command(photos, '-o', out, '--sheet')
    assert code == 3
    assert tree(out) == [
        'faces/sub/one/0.png', 'faces/two/0.png', 'faces/two/1.png', 'manifest.jsonl', 'restored/sub/one.png',
        'restored/two.png', 'sheets/sub/one.png', 'sheets/two.png',
    ]  # fmt: skip
    assert (summary['restored'], summary['faces']) == (2, 3)
    assert [Path(path).name for path in summary['failed']] == ['none.png']
    assert len(errors) == 1 and 'none.png: no face found' in errors[0] and '--boxes FILE' in errors[0]
    expected = PhotoRestorer(Restorer(BICUBIC, device='cpu'), MarkerDetector())(photos / 'two.png')
    np.testing.assert_array_equal(read(out / 'restored' / 'two.png'), expected.photo)
    for number, face in enumerate(expected.faces):
        np.testing.assert_array_equal(read(out / 'faces' / 'two' / f'{number}.png'), face.restoration.face)
    line = next(line for line in map(json.loads, (out / 'manifest.jsonl').open()) if line['name'] == 'two.png')
    assert [face['side'] for face in line['faces']] == pytest.approx([70, 48], abs=2)


def test_preview_marks_the_faces_and_restores_nothing(photos, tmp_path, command) -> None:
    out = tmp_path / 'out'
    code, summary, errors = command(photos, '-o', out, '--preview')
    assert code == 3 and tree(out) == ['manifest.jsonl', 'preview/sub/one.png', 'preview/two.png']
    assert {Path(path).name: n for path, n in summary['found'].items()} == {'two.png': 2, 'one.png': 1, 'none.png': 0}
    assert summary['marked'] == 2 and 'restored' not in summary
    assert len(errors) == 1 and 'none.png: no face found' in errors[0]
    before, marked = read(photos / 'two.png'), read(out / 'preview' / 'two.png')
    changed = (before != marked).any(-1)
    for crop in CROPS:
        corners = np.rint(crop.corners()).astype(int)
        assert all(changed[y - 2 : y + 2, x - 2 : x + 2].any() for x, y in corners)
        # Pixels away from the lines and the number do not change.
        assert not changed[int(crop.y) - 5 : int(crop.y) + 5, int(crop.x) - 5 : int(crop.x) + 5].any()
    assert command(photos, '-o', out, '--preview')[1]['done_before'] == 2
    # A preview is not a result, and results do not replace previews.
    assert command(photos, '-o', out)[1]['restored'] == 2
    assert command(photos, '-o', out)[1]['done_before'] == 2
    assert command(photos, '-o', out, '--preview')[1]['done_before'] == 2


def test_faces_of_an_earlier_run_are_removed_unless_they_were_changed(photos, tmp_path, command) -> None:
    out, boxes = tmp_path / 'out', tmp_path / 'boxes.csv'
    for kept in (False, True):
        boxes.write_text('file,x,y,side,angle\nin/two.png,50,60,70,0\nin/two.png,140,50,48,0\n')
        assert command(photos / 'two.png', '-o', out, '--boxes', boxes, detector=None)[0] == 0
        assert tree(out / 'faces') == ['two/0.png', 'two/1.png']
        if kept:
            (out / 'faces' / 'two' / '1.png').write_bytes(b'of the user')
        boxes.write_text('file,x,y,side,angle\nin/two.png,50,60,70,0\n')
        assert command(photos / 'two.png', '-o', out, '--boxes', boxes, detector=None)[0] == 0
        assert tree(out / 'faces') == ['two/0.png', *(['two/1.png'] if kept else [])]


def test_name_with_a_line_break_is_on_one_line(photos, tmp_path, capsys) -> None:
    (photos / 'one\nmore.png').write_bytes((photos / 'two.png').read_bytes())
    words = ['restore', str(photos / 'one\nmore.png'), '-o', str(tmp_path / 'out'), '--model', str(BICUBIC)]
    assert main([*words, '--device', 'cpu', '--detector', 'MarkerDetector']) == 0
    assert f'{photos}/one more.png: 2 faces found' in capsys.readouterr().out.splitlines()


def test_faces_of_each_photo_are_counted(photos, tmp_path, command, capsys) -> None:
    code = main(['restore', str(photos), '-o', str(tmp_path / 'out'), '--model', str(BICUBIC), '--device', 'cpu',
                 '--detector', 'MarkerDetector'])  # fmt: skip
    lines = capsys.readouterr().out.splitlines()
    assert code == 3
    assert any(line.endswith('two.png: 2 faces found') for line in lines)
    assert any(line.endswith('one.png: 1 face found') for line in lines)


def test_only_changed_faces_count_as_restored(photos, tmp_path, command, monkeypatch) -> None:
    original = PhotoRestorer.restore_faces

    def leaving(self, *args):
        result = original(self, *args)
        weights = [1.0, *[0.0] * (len(result.faces) - 1)]
        faces = tuple(replace(face, weight=weight) for face, weight in zip(result.faces, weights, strict=True))
        return replace(result, faces=faces)

    monkeypatch.setattr(PhotoRestorer, 'restore_faces', leaving)
    out = tmp_path / 'out'
    summary = command(photos / 'two.png', '-o', out)[1]
    assert (summary['faces'], list(summary['found'].values())) == (1, [2])
    (line,) = map(json.loads, (out / 'manifest.jsonl').open())
    assert [face['weight'] for face in line['faces']] == [1, 0]


def test_second_run_restores_only_what_is_missing(photos, tmp_path, command) -> None:
    out = tmp_path / 'out'
    command(photos, '-o', out)
    code, summary, _ = command(photos, '-o', out)
    assert (code, summary['restored'], summary['done_before']) == (3, 0, 2)
    # A missing face is a missing result, and other settings give another result.
    (out / 'faces' / 'two' / '1.png').unlink()
    assert command(photos, '-o', out)[1]['restored'] == 1
    boxes = tmp_path / 'boxes.csv'
    boxes.write_text('file,x,y,side,angle\nin/two.png,50,60,70,0\n')
    assert command(photos / 'two.png', '-o', out, '--boxes', boxes, detector=None)[1]['restored'] == 1
    boxes.write_text('file,x,y,side,angle\nin/two.png,50,60,71,0\n')
    assert command(photos / 'two.png', '-o', out, '--boxes', boxes, detector=None)[1]['restored'] == 1
    assert command(photos / 'two.png', '-o', out, '--boxes', boxes, detector=None)[1]['done_before'] == 1


def test_faces_of_the_boxes_file_are_restored(photos, tmp_path, command) -> None:
    boxes = tmp_path / 'in' / 'boxes.csv'
    boxes.write_text('\ufefffile, left, top, right, bottom\nnone.png, 20, 20, 60, 60\nnone.png, 80,30,85,33\n')
    code, summary, errors = command(photos, '-o', tmp_path / 'out', '--boxes', boxes, detector=None)
    assert (code, summary['restored'], summary['faces'], len(summary['failed'])) == (3, 1, 1, 2)
    assert sum('the file of boxes has no line for this' in error for error in errors) == 2
    assert sum('note: ' in error and 'too small to restore' in error for error in errors) == 1
    assert list(summary['notes'].values()) == [
        ['the face at (82, 31) is 7 pixels wide, too small to restore, and was not changed']
    ]


def test_physics_of_each_face_are_saved(photos, tmp_path, command) -> None:
    out = tmp_path / 'out'
    boxes = tmp_path / 'boxes.csv'
    boxes.write_text('file,x,y,side,angle\nin/none.png,60,60,80,10\n')
    options = ('--save-physics', '--background', 'derain', '--boxes', boxes)
    code, _, _ = command(photos / 'none.png', '-o', out, *options, detector=None, model='fcg_gan_x4')
    assert code == 0
    assert tree(out) == [
        *(f'{kind}/none/0.png' for kind in 'AJST'),
        'faces/none/0.png',
        'manifest.jsonl',
        'restored/none.png',
    ]
    assert read(out / 'J' / 'none' / '0.png').shape == (32, 32, 3)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--detector', 'Eyes'], "'Eyes' is not a registered face detector"),
        (['--boxes', 'none.csv'], 'none.csv: cannot be read'),
        (['--aligned', '--preview'], 'has no photo around it; omit --preview'),
        (['--preview', '--sheet'], '--preview restores nothing; omit --save-physics and --sheet'),
        (['--aligned', '--background', 'derain'], 'has no photo around it; omit --background'),
        (['--save-physics'], 'bicubic_x4.py does not predict J, S, T and A; omit it'),
    ],
)
def test_unsuitable_options_are_refused(photos, tmp_path, command, options, message) -> None:
    code, _, errors = command(photos, '-o', tmp_path / 'out', *options, detector=None)
    assert code == 2 and len(errors) == 1 and message in errors[0]
    assert not (tmp_path / 'out').exists()


def test_maps_are_those_of_faces(photos, tmp_path, command) -> None:
    """The network predicts J, S, T and A, but the task does not write them."""
    code, _, errors = command(photos, '-o', tmp_path / 'out', '--save-physics', detector=None, model='hrrm_scenes')
    assert (code, errors) == (2, ['rainrestore: error: --save-physics: the task rain writes no maps; omit it'])


def test_exclusive_options_are_refused(photos, tmp_path) -> None:
    for options in (
        ['--aligned', '--boxes', 'b.csv'],
        ['--aligned', '--detector', 'x'],
        ['--boxes', 'b', '--detector', 'x'],
    ):
        with pytest.raises(SystemExit, match='2'):
            main(['restore', str(photos), '-o', str(tmp_path / 'out'), *options])


def test_face_files_do_not_overwrite_an_input(photos, tmp_path, command) -> None:
    """The number of face files is not known in advance. A photo with a conflict has no results at all."""
    victim = tmp_path / 'out' / 'faces' / 'in' / 'two' / '1.png'
    victim.parent.mkdir(parents=True)
    Image.fromarray(background(50, 50)).save(victim)
    before = victim.read_bytes()
    code, _, errors = command(photos / 'two.png', victim, '-o', tmp_path / 'out')
    assert code == 3 and errors[0].endswith(f'its result {victim} cannot be written (it is an input)')
    assert victim.read_bytes() == before
    assert tree(tmp_path / 'out') == ['faces/in/two/1.png', 'manifest.jsonl']


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', 'line 1 must be file,left,top,right,bottom or file,left_eye_x'),
        ('file,left,top\na.png,1,2\n', "got 'file,left,top'"),
        ('file,left,top,right,bottom\na.png,1,2,3\n', 'line 2: expected a value for each column'),
        ('file,left,top,right,bottom\na.png,1,2,3,4,5\n', 'line 2: expected a value for each column'),
        ('file,left,top,right,bottom\n,1,2,3,4\n', 'line 2: expected a value for each column'),
        ('file,left,top,right,bottom\n\na.png,1,2,x,4\n', "line 3: could not convert string to float: 'x'"),
        (
            'file,left,top,right,bottom\na.png,5,2,3,4\n',
            'line 2: a box must be left, top, right, bottom with left < right',
        ),
        ('file,x,y,side,angle\na.png,1,1,-4,0\n', 'line 2: a crop must have a side above 0'),
        ('file,x,y,side,angle\na.png,1,1,nan,0\n', 'line 2: side must be a finite number, got nan'),
        ('file,x,y,side,angle\na.png,-inf,1,4,0\n', 'line 2: x must be a finite number, got -inf'),
        ('file,left,top,right,bottom\na.png,1,2,inf,4\n', 'line 2: box must be a list, each item a finite number'),
        (
            'file,left_eye_x,left_eye_y,right_eye_x,right_eye_y,mouth_x,mouth_y\na.png,1,1,3,1,nan,3\n',
            'line 2: mouth must be a list, each item a finite number',
        ),
        ('file,x,x,y,side,angle\na.png,1,2,1,4,0\n', "got 'file,x,x,y,side,angle'"),
        (f'file,x,y,side,angle\n\n{"a" * 140_000},1,1,4,0\n', 'line 3: field larger than field limit'),
        (f'{"a" * 140_000},x,y,side,angle\n', 'line 1: field larger than field limit'),
        ('file;x;y;side;angle\na.png;1;1.000,5;4;0\n', 'line 2: could not convert'),
        ('sep=;\nfile,left,top\n', 'line 2 must be file,left,top,right,bottom or'),
        ('sep=;\nfile;x;y;side;angle\na.png;1;x;4;0\n', "line 3: could not convert string to float: 'x'"),
        (b'\xff\xfe\x00', 'is not UTF-8 text; save it as CSV in UTF-8'),
    ],
)
def test_invalid_boxes_are_named(tmp_path, text, message) -> None:
    file = tmp_path / 'boxes.csv'
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError, match=r'--boxes .*boxes\.csv') as caught:
        read_boxes(file)
    assert message in str(caught.value)


def test_every_kind_of_boxes_is_read(tmp_path) -> None:
    file = tmp_path / 'boxes.csv'
    file.write_text('file,left_eye_x,left_eye_y,right_eye_x,right_eye_y,mouth_x,mouth_y\n../a b.png,1,2,5,2,3,6\n')
    assert read_boxes(file) == {
        (tmp_path.parent / 'a b.png').resolve(): [FaceCrop.from_landmarks((1, 2), (5, 2), (3, 6))]
    }
    file.write_text('file,side,angle,x,y\nü.png,4,9,2,2\n"ü.png",4,9,3,3\n')
    assert read_boxes(file) == {tmp_path.resolve() / 'ü.png': [FaceCrop(2, 2, 4, 9), FaceCrop(3, 3, 4, 9)]}
    file.write_bytes('\ufefffile;x;y;side;angle\r\na, b.png;2,5;2;4.5;9\r\n'.encode())
    assert read_boxes(file) == {tmp_path.resolve() / 'a, b.png': [FaceCrop(2.5, 2, 4.5, 9)]}
    # As Excel writes them: tabs, also with decimal commas, and the separator in a line of its own.
    header, face = ('file', 'x', 'y', 'side', 'angle'), ('ä b.png', '2.5', '2', '4', '9')
    for stated, mark in (('', '\t'), ('sep=;\r\n', ';'), ('sep=\t\r\n', '\t'), ('SEP=,\r\n', ',')):
        text = f'{stated}{mark.join(header)}\r\n{mark.join(face)}\r\n'
        for written in (text, text.replace('2.5', '2,5')) if mark != ',' else (text,):
            file.write_bytes(written.encode())
            assert read_boxes(file) == {tmp_path.resolve() / 'ä b.png': [FaceCrop(2.5, 2, 4, 9)]}


@pytest.mark.parametrize('options', [['--strength', '0.5'], ['--keep-colour'], ['--no-keep-colour']])
def test_options_of_photos_are_refused_for_aligned_faces(photos, tmp_path, command, options) -> None:
    code, _, errors = command(photos, '-o', tmp_path / 'out', '--aligned', *options, detector=None)
    option = options[0].replace('--no-', '--')
    expected = f'rainrestore: error: --aligned: an aligned face has no photo around it; omit {option}'
    assert (code, errors) == (2, [expected])


@pytest.mark.parametrize(
    'options',
    [
        ['--strength', '0.5'],
        ['--keep-colour'],
        ['--background', 'derain'],
        ['--detector', 'YuNetDetector'],
        ['--preview'],
    ],
)
def test_options_of_faces_are_refused_for_whole_images(photos, tmp_path, command, options) -> None:
    code, _, errors = command(
        photos, '-o', tmp_path / 'out', '--task', 'rain', *options, detector=None, model='hrrm_scenes'
    )
    expected = f'rainrestore: error: {options[0]}: the task rain restores whole images, not faces'
    assert (code, errors) == (2, [expected])


@pytest.mark.parametrize('strength', ['0', '1.5', 'x'])
def test_strength_out_of_range_is_refused(photos, tmp_path, strength, capsys) -> None:
    with pytest.raises(SystemExit, match='2'):
        main(['restore', str(photos), '-o', str(tmp_path / 'out'), '--strength', strength])
    assert f'expected a number above 0, at most 1, got {strength!r}' in capsys.readouterr().err


def test_result_of_another_image_is_not_replaced(tmp_path, capsys) -> None:
    """Two folders with an image of the same name, restored into one folder."""
    for number, folder in enumerate(('gate', 'yard')):
        (tmp_path / folder).mkdir()
        Image.fromarray(background(32, 32, number)).save(tmp_path / folder / '7.png')
    words = ['--aligned', '--model', str(BICUBIC), '-o', str(tmp_path / 'out')]
    assert main(['restore', str(tmp_path / 'gate'), *words]) == 0
    before = (tmp_path / 'out' / 'restored' / '7.png').read_bytes()
    assert main(['restore', str(tmp_path / 'yard'), *words]) == 3
    error = capsys.readouterr().err
    assert 'yard/7.png: ' in error and 'gate/7.png; choose another folder with --out' in error
    assert (tmp_path / 'out' / 'restored' / '7.png').read_bytes() == before
    # A changed file is restored again.
    Image.fromarray(background(32, 32, 5)).save(tmp_path / 'gate' / '7.png')
    assert main(['restore', str(tmp_path / 'gate'), *words]) == 0
    assert (tmp_path / 'out' / 'restored' / '7.png').read_bytes() != before


def test_boxes_without_an_input_are_named(photos, tmp_path, command) -> None:
    boxes = tmp_path / 'boxes.csv'
    boxes.write_text('file,left,top,right,bottom\nin/none.png,30,30,90,90\nin/nome.png,30,30,90,90\n')
    code, _, errors = command(photos / 'none.png', '-o', tmp_path / 'out', '--boxes', boxes, detector=None)
    assert code == 0
    assert errors == [f'rainrestore: note: {boxes}: {tmp_path.resolve() / "in" / "nome.png"} is not among the inputs']


@pytest.mark.parametrize('options', [['--aligned'], ['--preview'], ['--task', 'rain']])
def test_error_for_a_video_does_not_call_it_a_damaged_image(tmp_path, command, options) -> None:
    clip = tmp_path / 'gate.mp4'
    clip.write_bytes(b'\0\0\0\x18ftypmp42')
    model = 'hrrm_scenes' if 'rain' in options else BICUBIC
    code, _, errors = command(clip, '-o', tmp_path / 'out', *options, detector=None, model=model)
    assert code == 2 and errors[0].startswith(
        f'rainrestore: error: {clip}: is a video; only the tasks faces and renovate'
    )
