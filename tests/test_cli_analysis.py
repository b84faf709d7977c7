"""The commands that show configs, data and logs."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from rainrestore.cli.main import main
from rainrestore.engine.config import load_config
from rainrestore.engine.run_logs import read_run
from rainrestore.errors import ConfigError
from rainrestore.optional import optional_import
from rainrestore.visualization import fed_rows

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ROOT / 'configs'


def fails(capsys, *words) -> str:
    assert main([*map(str, words)]) == 2
    error = capsys.readouterr().err
    assert error.count('\n') == 1
    return error


def test_printed_config_is_the_merged_one(tmp_path, capsys):
    config = CONFIGS / 'fcg_gan' / 'fcg_srgan_x4.py'
    assert main(['config', str(config), '--cfg-options', 'train_cfg.max_iters=7', 'model.generator.scale=2']) == 0
    (tmp_path / 'printed.py').write_text(capsys.readouterr().out)
    expected = load_config(config, {'train_cfg.max_iters': 7, 'model.generator.scale': 2})
    assert Config.fromfile(tmp_path / 'printed.py').to_dict() == expected.to_dict()
    assert '_base_' not in (tmp_path / 'printed.py').read_text()


def test_config_refuses_unknown_files_and_options(tmp_path, capsys):
    assert 'no_such.py: no such config' in fails(capsys, 'config', 'no_such.py')
    words = ('config', CONFIGS / 'hrrm_x4.py', '--cfg-options', 'model.rain_removal.type.name=3')
    assert '--cfg-options' in fails(capsys, *words)


def test_sheet_row_shows_the_content_of_the_sample():
    truth = torch.full((3, 16, 16), 90, dtype=torch.uint8)
    parsing = torch.zeros(19, 4, 4)
    parsing[1] = 1
    sample = {
        'name': 'face', 'gt_img': truth, 'parsing': parsing, 'lr_img': torch.full((3, 4, 4), 0.2),
        'transmission': torch.full((1, 4, 4), 0.4),
        'airlight': torch.tensor([0.6, 0.8, 1.0]).view(3, 1, 1),
    }  # fmt: skip
    rows, titles, names = fed_rows([torch.full((3, 4, 4), 7, dtype=torch.uint8)], [sample], {'nose': (2, 3, 6, 9)})
    assert titles == ['input I', 'ground truth', 'small face J', 'transmission T', 'airlight A', 'parsing F']
    assert names == ['face']
    shown = dict(zip(titles, rows[0], strict=True))
    assert all(image.shape == (16, 16, 3) for image in rows[0])
    colours = {'input I': (7, 7, 7), 'small face J': (51, 51, 51), 'transmission T': (102, 102, 102),
               'airlight A': (153, 204, 255), 'parsing F': (204, 0, 0)}  # fmt: skip
    for title, colour in colours.items():
        assert (shown[title] == colour).all()
    outline = (shown['ground truth'] != 90).any(2)
    expected = np.zeros((16, 16), dtype=bool)
    expected[3:9, 2:6] = True
    expected[4:8, 3:5] = False
    np.testing.assert_array_equal(outline, expected)
    with pytest.raises(ValueError, match=r'the box nose \[2, 3, 17, 9\] exceeds the face of 16x16'):
        fed_rows([truth], [sample], {'nose': (2, 3, 17, 9)})


def browse(tmp_path, face_folder, *words) -> np.ndarray:
    out = tmp_path / 'sheet.png'
    assert main(['browse', str(CONFIGS / 'fcg_gan_x4.py'), '--data', str(face_folder), '--out', str(out), *words]) == 0
    return np.asarray(Image.open(out))


def test_browse_shows_the_faces_of_the_split(tmp_path, face_folder, capsys):
    pytest.importorskip('mmagic')
    train = browse(tmp_path, face_folder, '--images', '2')
    assert f'sheet: {tmp_path / "sheet.png"}' in capsys.readouterr().out
    assert train.shape[0] < 3 * 128 and train.shape[1] > 7 * 128
    # all faces of the split
    test = browse(tmp_path, face_folder, '--split', 'test')
    assert 3 * 128 < test.shape[0] < 4 * 128
    # only the ground truth shows boxes, and only if there are local discriminators
    plain = browse(tmp_path, face_folder, '--split', 'test', '--cfg-options', 'model.local_discriminators=None')
    columns = np.nonzero((test != plain).any((0, 2)))[0]
    assert len(columns) and columns.max() - columns.min() < 128


def test_browse_shows_a_window(tmp_path, face_folder, capsys, monkeypatch):
    pytest.importorskip('mmagic')
    pyplot = pytest.importorskip('matplotlib.pyplot')
    opened = []
    monkeypatch.setattr(pyplot, 'show', lambda: opened.append(pyplot.gcf().images[0].get_array().shape))
    monkeypatch.setattr(pyplot, 'get_backend', lambda: 'tkagg')
    sheet = browse(tmp_path, face_folder, '--images', '1', '--show')
    assert opened == [sheet.shape]
    pyplot.close('all')
    monkeypatch.setattr(pyplot, 'get_backend', lambda: 'agg')
    out = tmp_path / 'other.png'
    words = ('browse', CONFIGS / 'fcg_gan_x4.py', '--data', face_folder, '--out', out, '--images', '1', '--show')
    assert f'cannot open a window (no display); the sheet is {out}' in fails(capsys, *words)
    assert out.is_file()


def test_browse_refuses_invalid_input(tmp_path, face_folder, capsys):
    pytest.importorskip('mmagic')
    config = CONFIGS / 'fcg_gan_x4.py'
    assert 'no such config' in fails(capsys, 'browse', 'none.py')
    assert '/no/such/faces' in fails(capsys, 'browse', config, '--data', '/no/such/faces')
    assert 'no train_dataloader' in fails(capsys, 'browse', CONFIGS / '_base_' / 'runtime.py')
    for name in ('sheet.xyz', '.'):
        words = ('browse', config, '--data', face_folder, '--out', tmp_path / name, '--images', '1')
        assert 'name an image file, such as sheet.png' in fails(capsys, *words)
    face = next(Path(face_folder, 'train', 'img').iterdir())
    assert f'{face}: is in the data set' in fails(capsys, 'browse', config, '--data', face_folder, '--out', face)
    words = ('browse', config, '--data', face_folder, '--out', tmp_path / 'x.png')
    box = ('--cfg-options', 'model.local_discriminators.nose.box=(44,56,84,129)')
    assert 'the box nose [44, 56, 84, 129] exceeds the face of 128x128' in fails(capsys, *words, *box)


def write_log(folder: Path, *records: dict, tail: str = '') -> Path:
    path = folder / 'vis_data' / 'scalars.json'
    path.parent.mkdir(parents=True)
    path.write_text('\n'.join([*map(json.dumps, records), tail]))
    return path


@pytest.fixture
def runs(tmp_path) -> tuple[Path, Path]:
    first, second = tmp_path / 'first', tmp_path / 'second'
    write_log(
        first / '20260101_000000',
        {'loss': 3.0, 'time': 0.1, 'iter': 10, 'step': 10},
        {'loss': 2.0, 'time': 0.1, 'iter': 20, 'step': 20},
        # mmengine counts validations in epochs by default; here are no epochs
        {'PSNR': 18.0, 'time': 9.0, 'step': 0},
        {'loss': 9.0, 'time': 0.1, 'iter': 30, 'step': 30},
    )
    # a run that was resumed at iteration 20
    write_log(
        first / '20260101_111111',
        {'loss': 1.0, 'time': 0.2, 'iter': 30, 'step': 30},
        {'PSNR': 20.5, 'step': 30},
        {'loss': 1.5, 'time': 0.2, 'iter': 40, 'step': 40},
        tail='{"loss": 1.4, "ti',
    )
    write_log(second, {'loss': 4.0, 'iter': 10, 'step': 10}, {'loss': float('nan'), 'iter': 20, 'step': 20})
    return first, second


def test_resumed_run_has_one_curve(runs):
    curves = read_run(runs[0])
    assert curves['loss'] == {10: 3.0, 20: 2.0, 30: 1.0, 40: 1.5}
    assert curves['PSNR'] == {20: 18.0, 30: 20.5}
    assert curves['time'] == {10: 0.1, 20: 0.1, 30: 0.2, 40: 0.2}
    assert set(curves) == {'loss', 'PSNR', 'time'}
    assert read_run(runs[0] / '20260101_000000')['loss'] == {10: 3.0, 20: 2.0, 30: 9.0}
    assert read_run(runs[1] / 'vis_data' / 'scalars.json')['loss'][10] == 4.0


def test_table_and_plot_of_two_runs(runs, tmp_path, capsys):
    pytest.importorskip('matplotlib')
    out = tmp_path / 'plots' / 'curves.png'
    assert main(['analyze_logs', *map(str, runs), '--out', str(out)]) == 0
    printed = capsys.readouterr().out
    summary = json.loads(printed.splitlines()[-1])
    assert summary['runs'] == {
        'first': {
            'loss': dict(points=4, last=1.5, last_step=40, min=1.0, min_step=30, max=3.0, max_step=10),
            'PSNR': dict(points=2, last=20.5, last_step=30, min=18.0, min_step=20, max=20.5, max_step=30),
        },
        'second': {'loss': dict(points=2, last=None, last_step=20, min=4.0, min_step=10, max=4.0, max_step=10)},
    }
    assert f'plot: {out}' in printed
    image = np.asarray(Image.open(out).convert('RGB')).astype(int)
    # one panel for each key, from top to bottom; the first panel has a line in the colour of each run
    blue, orange = ((np.abs(image - colour) < 40).all(2) for colour in ((31, 119, 180), (255, 127, 14)))
    half = len(image) // 2
    assert blue[:half].any() and blue[half:].any() and orange[:half].any() and not orange[half:].any()


def test_invalid_logs_are_named(runs, tmp_path, capsys, monkeypatch):
    first, second = map(str, runs)
    assert '/no/such/run: no such run' in fails(capsys, 'analyze_logs', '/no/such/run')
    (tmp_path / 'empty').mkdir()
    assert 'contains no scalars.json' in fails(capsys, 'analyze_logs', tmp_path / 'empty')
    assert 'logged PNSR; choose --keys from PSNR, loss, time' in fails(capsys, 'analyze_logs', first, '--keys', 'PNSR')
    assert '1 names for 2 runs' in fails(capsys, 'analyze_logs', first, second, '--legend', 'one')
    assert 'two runs have the same name' in fails(capsys, 'analyze_logs', first, second, '--legend', 'a', 'a')
    assert 'two runs have the same name' in fails(capsys, 'analyze_logs', first, first)
    assert '.xyz' in fails(capsys, 'analyze_logs', first, '--out', tmp_path / 'curves.xyz')
    for out in (tmp_path, tmp_path / 'curves'):
        assert f'{out}: name an image file' in fails(capsys, 'analyze_logs', first, '--out', out)
        assert not out.with_suffix('.png').exists()
    whole, digits = '{"loss": 1, "iter": 1, "step": 1}', '1' + '0' * 400
    for line in (
        '{"cut',
        '{"loss": 1}',
        '[1]',
        '{"step": "a"}',
        '{"step": -1}',
        '{"step": 1.5}',
        f'{{"step": {digits}}}',
        f'{{"loss": {digits}, "step": 1}}',
        f'{{"step": {digits * 12}}}',
        '[' * 100_000 + ']' * 100_000,
    ):
        (tmp_path / 'bad.json').write_text(f'{line}\n{whole}')
        with pytest.raises(ConfigError, match=r'bad\.json: line 1 is not a JSON object with numbers and a step'):
            read_run(tmp_path / 'bad.json')
    (tmp_path / 'photo.png').write_bytes(b'\x89PNG')
    assert 'photo.png is not UTF-8 text; use a work dir' in fails(capsys, 'analyze_logs', tmp_path / 'photo.png')
    monkeypatch.setitem(sys.modules, 'matplotlib.figure', None)
    optional_import.cache_clear()
    assert 'pip install matplotlib' in fails(capsys, 'analyze_logs', first)


@pytest.mark.parametrize(
    ('tool', 'command'),
    [
        ('analysis_tools/print_config', 'config'),
        ('analysis_tools/get_flops', 'get_flops'),
        ('analysis_tools/browse_dataset', 'browse'),
        ('analysis_tools/analyze_logs', 'analyze_logs'),
        ('analysis_tools/mixed_guidance', 'mixed_guidance'),
        ('model_converters/publish_model', 'publish'),
    ],
)
def test_scripts_in_tools_run_the_commands(tool, command):
    words = [sys.executable, ROOT / 'tools' / f'{tool}.py', '--help']
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300)
    assert f'usage: rainrestore {command}' in done.stdout
