"""``rainrestore synthesize``: its files can be read, checked and reproduced."""

import hashlib
import json

import cv2
import numpy as np
import pytest
from PIL import Image

from rainrestore.cli import synthesize
from rainrestore.cli.main import main
from rainrestore.datasets.transforms.rain import ScaleAwareHeavyRain


def command(*words):
    return main(['synthesize', *(str(word) for word in words)])


def face(seed=0, height=64, width=64):
    return np.random.Generator(np.random.PCG64(seed)).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def faces(tmp_path):
    folder = tmp_path / 'faces'
    folder.mkdir()
    for number in range(3):
        Image.fromarray(face(number)).save(folder / f'face_{number}.png')
    Image.fromarray(face(9, 48, 80)).save(folder / 'wide.png')
    return folder


def read_sixteen(path):
    """A 16-bit PNG as RGB (or grey) values."""
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert pixels.dtype == np.uint16
    return pixels[..., ::-1] if pixels.ndim == 3 else pixels[..., None]


def read_all(out, name):
    eight = {kind: np.array(Image.open(out / kind / f'{name}.png')) for kind in 'IJ'}
    return eight | {kind: read_sixteen(out / kind / f'{name}.png') for kind in 'STA'}


def test_files_satisfy_equation_2(faces, tmp_path):
    out = tmp_path / 'out'
    assert command(faces, '-o', out, '--seed', 3) == 0
    assert sorted(path.name for path in out.iterdir()) == ['A', 'I', 'J', 'S', 'T', 'rain.json', 'sheet.png']
    for name, shape in (('face_1', (16, 16)), ('wide', (12, 20))):
        maps = read_all(out, name)
        assert {kind: pixels.shape for kind, pixels in maps.items()} == {
            kind: (*shape, 1 if kind == 'T' else 3) for kind in 'IJSTA'
        }
        J = maps['J'] / 255
        S, T, A = (maps[kind] / 65535 for kind in 'STA')
        observed = T * (J + S) + (1 - T) * A
        # J is stored with 8 bits and enters with weight T, I is rounded once more.
        assert np.abs(255 * observed - maps['I']).max() <= 0.5 + 0.5 * T.max() + 0.02


def test_files_equal_the_images_of_the_pipeline(faces, tmp_path):
    command(faces, '-o', tmp_path / 'out', '--seed', 3)
    sample = ScaleAwareHeavyRain(seed=3)({'gt': face(1), 'name': 'face_1'})
    maps = read_all(tmp_path / 'out', 'face_1')
    np.testing.assert_array_equal(maps['I'], sample['img'])
    for kind, key in (('S', 'streak'), ('T', 'transmission'), ('A', 'airlight')):
        np.testing.assert_allclose(maps[kind] / 65535, np.broadcast_to(sample[key], maps[kind].shape), atol=1e-5)
    record = json.loads((tmp_path / 'out' / 'rain.json').read_text())
    assert record['faces']['face_1']['rain'] == sample['rain']


def test_record_has_all_settings_and_correct_hashes(faces, tmp_path):
    out = tmp_path / 'out'
    command(faces, '-o', out)
    record = json.loads((out / 'rain.json').read_text())
    assert (record['rain'], record['scale'], record['seed']) == ('rain_v1', 4, 0)
    assert record['ranges']['beta'] == [0.5, 1.2]
    assert record['versions']['numpy'] == np.__version__
    assert list(record['faces']) == ['face_0', 'face_1', 'face_2', 'wide']
    entry = record['faces']['wide']
    assert (entry['source'], entry['size']) == ('wide.png', [80, 48])
    pixels = read_all(out, 'wide') | {'HR': face(9, 48, 80)}
    assert set(entry['sha256']) == set(pixels)
    for kind, array in pixels.items():
        raw = array.astype('<u2' if array.dtype == np.uint16 else np.uint8).tobytes()
        assert hashlib.sha256(raw).hexdigest() == entry['sha256'][kind]


def test_same_seed_repeats_the_images_and_another_seed_changes_them(faces, tmp_path):
    records = []
    for number, seed in enumerate((0, 0, 1)):
        command(faces, '-o', tmp_path / str(number), '--seed', seed)
        records.append(json.loads((tmp_path / str(number) / 'rain.json').read_text()))
    assert records[0] == records[1]
    assert records[0]['faces']['wide']['sha256']['I'] != records[2]['faces']['wide']['sha256']['I']


def test_limit_selects_the_first_names_without_a_change_of_their_rain(faces, tmp_path):
    command(faces, '-o', tmp_path / 'all')
    command(faces, '-o', tmp_path / 'two', '--limit', 2)
    everything, two = (json.loads((tmp_path / run / 'rain.json').read_text())['faces'] for run in ('all', 'two'))
    assert two == {name: everything[name] for name in ('face_0', 'face_1')}


def test_single_image_and_another_scale_are_accepted(faces, tmp_path):
    assert command(faces / 'wide.png', '-o', tmp_path / 'new' / 'out', '--scale', 8) == 0
    assert read_all(tmp_path / 'new' / 'out', 'wide')['I'].shape == (6, 10, 3)


def test_settings_override_ranges(faces, tmp_path):
    options = ('--set', 'beta=0.5,0.5', '--set', 'airlight=0.75', '--set', 'layers=2', '--set', 'gain_base=0.1')
    assert command(*options, faces, '-o', tmp_path / 'out') == 0
    record = json.loads((tmp_path / 'out' / 'rain.json').read_text())
    assert record['rain'] == 'custom'
    assert (record['ranges']['layers'], record['ranges']['gain_base']) == (2, 0.1)
    maps = read_all(tmp_path / 'out', 'wide')
    assert (maps['T'] == round(65535 * np.exp(-0.5))).all()
    assert (maps['A'] == round(65535 * 0.75)).all()


def test_red_stays_red(tmp_path):
    red = np.zeros((32, 32, 3), np.uint8)
    red[..., 0] = 255
    Image.fromarray(red).save(tmp_path / 'red.png')
    command(tmp_path / 'red.png', '-o', tmp_path / 'out')
    maps = read_all(tmp_path / 'out', 'red')
    np.testing.assert_array_equal(maps['J'], red[:8, :8])
    assert maps['I'][..., 0].mean() > maps['I'][..., 1].mean() + 30
    assert (maps['S'][..., 0] == 0).all()
    assert maps['S'][..., 1].max() > 0


def test_sheet_has_a_row_for_each_face_and_seven_columns(faces, tmp_path, monkeypatch):
    seen = {}

    def record_sheet(rows, titles, path, **_):
        seen.update(rows=rows, titles=titles, path=path)

    monkeypatch.setattr(synthesize, 'image_sheet', record_sheet)
    command(faces, '-o', tmp_path / 'out')
    assert list(seen['titles']) == [
        'input I', 'ground truth', 'small face J', 'rain S', 'J + S', 'transmission T', 'airlight A',
    ]  # fmt: skip
    assert len(seen['rows']) == 4
    observed, hr, lr, streak, streaked, transmission, airlight = (image.astype(int) for image in seen['rows'][0])
    maps = read_all(tmp_path / 'out', 'face_0')
    np.testing.assert_array_equal(hr, face(0))
    np.testing.assert_array_equal(lr, maps['J'])
    np.testing.assert_array_equal(observed, maps['I'])
    assert np.abs(streaked - lr - streak).max() <= 1
    assert np.abs(streak - maps['S'] / 257).max() <= 0.51
    assert np.abs(airlight - maps['A'] / 257).max() <= 0.51
    assert np.abs(transmission - maps['T'] / 257).max() <= 0.51


def test_progress_and_result_are_printed(faces, tmp_path, capsys):
    command(faces, '-o', tmp_path / 'out')
    told = capsys.readouterr()
    assert '4/4' in told.err
    assert '4 faces with rain_v1' in told.out
    assert str(tmp_path / 'out' / 'sheet.png') in told.out


def fails(capsys, *words):
    """Run a command that must fail with one line (besides the progress bar), and return that line."""
    assert command(*words) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line and 'face/s' not in line]
    assert len(lines) == 1
    return lines[0]


def test_output_inside_the_input_folder_is_refused(faces, capsys):
    assert command(faces, '-o', faces / 'rain') == 2
    assert f'is inside the input folder {faces}' in capsys.readouterr().err
    assert not (faces / 'rain').exists()


def test_input_errors_name_the_file(faces, tmp_path, capsys):
    out = tmp_path / 'out'
    assert f'{tmp_path / "none"}: no such file or folder' in fails(capsys, tmp_path / 'none', '-o', out)
    (tmp_path / 'empty').mkdir()
    assert f'{tmp_path / "empty"}: no images' in fails(capsys, tmp_path / 'empty', '-o', out)
    Image.fromarray(face(0, 64, 66)).save(faces / 'odd.png')
    assert 'odd.png: 66x64 is not divisible by scale 4' in fails(capsys, faces, '-o', out)
    (faces / 'odd.png').write_bytes((faces / 'wide.png').read_bytes()[:200])
    assert 'odd.png' in fails(capsys, faces, '-o', out)
    (faces / 'odd.png').unlink()
    Image.fromarray(face()).save(faces / 'wide.jpg')
    assert 'wide.png: same name as wide.jpg; rename or remove one' in fails(capsys, faces, '-o', out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ['empty', 'faces']  # no partial files


def test_output_folder_with_other_files_is_refused(faces, tmp_path, capsys):
    out = tmp_path / 'out'
    out.mkdir()
    assert command(faces, '-o', out, '--limit', 1) == 0  # an empty folder is accepted
    before = (out / 'rain.json').read_bytes()
    capsys.readouterr()
    assert 'not an empty folder' in fails(capsys, faces, '-o', out)
    assert (out / 'rain.json').read_bytes() == before
    assert 'not an empty folder' in fails(capsys, faces, '-o', faces / 'wide.png')


def test_unwritable_output_is_named(faces, tmp_path, capsys):
    # A file in place of a folder: the command fails for every user, root included.
    (tmp_path / 'file').write_text('')
    assert 'file/out: cannot be written' in fails(capsys, faces, '-o', tmp_path / 'file' / 'out')


@pytest.mark.parametrize(
    ('setting', 'message'),
    [
        ('betta=0.5,0.8', "--set: unknown rain range 'betta' (did you mean 'beta'?)"),
        ('beta=0.8,0.5', "--set: rain range 'beta'"),
        ('layers=1.5', "--set: rain range 'layers'"),
        ('gain_base=1,2', "--set: rain range 'gain_base'"),
        ('airlight=nan', "--set: rain range 'airlight'"),
    ],
)
def test_invalid_settings_are_named(faces, tmp_path, capsys, setting, message):
    assert message in fails(capsys, faces, '-o', tmp_path / 'out', '--set', setting)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--set', 'beta'], 'NAME=LOW,HIGH'),
        (['--set', 'beta=x'], 'NAME=LOW,HIGH'),
        (['--set', 'beta=1,2,3'], 'NAME=LOW,HIGH'),
        (['--limit', '0'], '--limit: expected an integer of at least 1'),
        (['--scale', 'x'], '--scale: expected an integer of at least 1'),
        (['--rain', 'rain_v2'], 'rain_v1'),
        (['--seed', '1.5'], '--seed: expected an integer of at least 0'),
        (['--seed', '-1'], '--seed: expected an integer of at least 0'),
    ],
)
def test_invalid_options_are_named(faces, tmp_path, capsys, options, message):
    with pytest.raises(SystemExit) as stop:
        command(faces, '-o', tmp_path / 'out', *options)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err
