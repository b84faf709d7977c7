import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from rainrestore.checkpoints import save_safetensors
from rainrestore.cli.main import main
from rainrestore.datasets.transforms.rain import ScaleAwareHeavyRain
from rainrestore.engine.testing import with_standard_metrics
from rainrestore.evaluation import psnr, read_csv, ssim
from rainrestore.image_io import read_image
from rainrestore.physics.resample import enlarge
from rainrestore.registry import MODELS

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'
SMALL = ['--cfg-options', 'test_dataloader.num_workers=0', 'test_dataloader.batch_size=2']


def run(capsys, *words):
    code = main(['test', *map(str, words)])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


@pytest.fixture
def tiny_joint(tmp_path):
    """A config of the joint network at tiny widths, and a safetensors file of its initial weights."""
    path = tmp_path / 'tiny.py'
    path.write_text(f"""
_base_ = {str(CONFIGS / 'fcg_gan_x4.py')!r}
model = dict(
    rain_removal=dict(
        encoder=dict(growth=4, blocks=(1, 1, 1), stem_channels=4), decoder_growth=(4, 4, 4, 4), init_cfg=None
    ),
    face_parser=dict(base_channels=4, init_cfg=None),
    generator=dict(trunk=dict(channels=4, num_blocks=1), channels=4),
    perceptual_loss=None, discriminator=None, local_discriminators=None,
)
test_dataloader = dict(num_workers=0, batch_size=2)
test_evaluator = [dict(type='PSNR'), dict(type='mmagic.MAE')]
""")
    torch.manual_seed(0)
    model = MODELS.build(Config.fromfile(path).model)
    return path, save_safetensors(model.state_dict(), tmp_path / 'tiny.safetensors')


def test_bicubic_scores_equal_a_separate_computation(face_folder, tmp_path, capsys):
    out = tmp_path / 'out'
    words = ('bicubic_x4', 'none', '--data', face_folder, '--out', out, '--save-restored', *SMALL)
    code, printed, _ = run(capsys, *words)
    assert code == 0
    summary = json.loads(printed.splitlines()[-1])

    rain = ScaleAwareHeavyRain(scale=4, seed=2022)
    expected = {}
    for path in sorted((face_folder / 'test' / 'img').iterdir()):
        gt = read_image(path)
        small = rain({'gt': gt.copy(), 'name': path.stem})['img'].astype(np.float32) / 255
        large = np.clip(enlarge(small, 4), 0, 1) * 255
        written = np.asarray(Image.open(out / 'restored' / f'{path.stem}.png'), dtype=np.float32)
        assert np.abs(written - large).max() <= 0.51
        expected[path.stem] = psnr(large, gt).item(), ssim(large, gt).item()
    table = read_csv(out / 'per_image.csv')
    assert table.keys() == expected.keys()
    for name, (value, similarity) in expected.items():
        assert table[name]['PSNR'] == pytest.approx(value, abs=1e-3)
        assert table[name]['SSIM'] == pytest.approx(similarity, abs=1e-4)
    assert summary['PSNR'] == pytest.approx(np.mean([value for value, _ in expected.values()]), abs=1e-3)
    assert {'SSIM', 'PSNR_Y', 'SSIM_Y', 'PSNR_crop4', 'SSIM_crop4'} <= summary.keys()
    assert (summary['images'], summary['checkpoint'], summary['data']) == (3, 'none', str(face_folder))
    assert summary['rain'] == {'ranges': 'rain_v1', 'seed': 2022}
    assert 'Y (BT.601), no crop' in printed
    assert f'sheet: {out / "sheet.png"}' in printed
    assert Image.open(out / 'sheet.png').size[1] > 3 * 128


def test_joint_network_is_tested_from_a_safetensors_file(face_folder, tiny_joint, tmp_path, capsys):
    pytest.importorskip('mmagic')
    config, checkpoint = tiny_joint
    out = tmp_path / 'out'
    code, printed, _ = run(capsys, config, checkpoint, '--data', face_folder, '--out', out, '--split', 'val')
    assert code == 0
    summary = json.loads(printed.splitlines()[-1])
    assert {'PSNR', 'PSNR_lr_img', 'mIoU', 'MAE', 'MAE_streak', 'MAE_transmission', 'MAE_airlight'} <= summary.keys()
    assert summary['images'] == 3
    assert isinstance(summary['MAE'], float)
    assert set(read_csv(out / 'per_image.csv')) == {'val_0', 'val_1', 'val_2'}
    # input, restored, truth, J, S, T, A, parsing
    assert Image.open(out / 'sheet.png').size[0] > 8 * 128


def test_scores_do_not_depend_on_run_and_batch_size(face_folder, tmp_path, capsys):
    tables = []
    for batch, workers in ((1, 0), (3, 1)):
        out = tmp_path / f'{batch}'
        options = ['--cfg-options', f'test_dataloader.batch_size={batch}', f'test_dataloader.num_workers={workers}']
        assert run(capsys, 'stretch_x4', 'none', '--data', face_folder, '--out', out, *options)[0] == 0
        tables.append((out / 'per_image.csv').read_text())
    assert tables[0] == tables[1]


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        ((CONFIGS / 'no_such.py', 'none'), 'no_such.py: no such config'),
        ((CONFIGS / 'references' / 'bicubic_x4.py', 'no_such.pth'), 'no checkpoint at no_such.pth'),
        ((CONFIGS / 'references' / 'bicubic_x4.py', 'rainrestore://no_such'), "no zoo model is named 'no_such'"),
        ((CONFIGS / 'references' / 'bicubic_x4.py', 'none', '--data', '/no/such/faces'), '/no/such/faces'),
        ((CONFIGS / 'references' / 'bicubic_x4.py', 'none', '--split', 'none_such'), 'none_such'),
        ((CONFIGS / 'references' / 'bicubic_x4.py', 'none', '--device', 'gpu'), "'gpu' is not a device"),
        ((CONFIGS / 'references' / 'bicubic_x4.py', 'none', '--device', 'cuda:99'), 'CUDA devices'),
        ((CONFIGS / '_base_' / 'runtime.py', 'none'), 'no test_dataloader'),
    ],
)
def test_error_for_wrong_input_is_one_line_with_its_name(words, message, tmp_path, capsys):
    code, _, error = run(capsys, *words, '--out', tmp_path)
    assert code == 2
    assert error.count('\n') == 1
    assert message in error


@pytest.mark.parametrize('folder', ['test/img', 'test', 'test/mask/deeper'])
def test_output_in_the_data_folder_is_refused(folder, face_folder, capsys):
    before = {path: path.read_bytes() for path in Path(face_folder).rglob('*') if path.is_file()}
    out = Path(face_folder, folder)
    code, _, error = run(capsys, 'bicubic_x4', 'none', '--data', face_folder, '--out', out)
    assert code == 2
    assert f'{out}: is in the data set' in error and error.count('\n') == 1
    assert {path: path.read_bytes() for path in Path(face_folder).rglob('*') if path.is_file()} == before


def test_checkpoint_of_another_network_is_refused(tiny_joint, tmp_path, capsys):
    config, checkpoint = tiny_joint
    options = ['--cfg-options', 'model.generator.trunk.num_blocks=2']
    code, _, error = run(capsys, config, checkpoint, '--out', tmp_path / 'out', *options)
    assert code == 2
    assert 'belongs to another network' in error


def test_metrics_of_the_config_are_added_to_the_standard_metrics_once():
    standard = with_standard_metrics(None)
    assert all(metric['optional'] for metric in standard)
    own = [{'type': 'PSNR'}, {'type': 'PSNR', 'crop_border': 8}]
    assert with_standard_metrics(own) == [*standard, own[1]]
    assert with_standard_metrics({'type': 'RestorationEvaluator', 'metrics': own}) == [*standard, own[1]]
    assert with_standard_metrics({'type': 'mmagic.MAE'}) == [*standard, {'type': 'mmagic.MAE'}]


def write_table(path, names, values):
    lines = ['name,PSNR,SSIM', *(f'{name},{value},0.5' for name, value in zip(names, values, strict=True))]
    path.write_text('\n'.join(lines) + '\n')
    return str(path)


def test_compare_pairs_by_name(tmp_path, capsys):
    first = write_table(tmp_path / 'a.csv', 'abc', (21, 22, 26))
    second = write_table(tmp_path / 'b.csv', 'cba', (25, 21, 20))
    assert main(['compare', first, second, '--metrics', 'PSNR', '--seed', '3']) == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert summary['first'] == first
    assert {key: summary['PSNR'][key] for key in ('difference', 'low', 'high', 'images', 'seed')} == {
        'difference': 1.0, 'low': 1.0, 'high': 1.0, 'images': 3, 'seed': 3,
    }  # fmt: skip


@pytest.mark.parametrize(
    ('names', 'metric', 'message'),
    [('abd', 'PSNR', 'have different faces: c, d are in only one of them'), ('abc', 'LPIPS', "no column 'LPIPS'")],
)
def test_compare_names_unpaired_faces_and_metrics(tmp_path, capsys, names, metric, message):
    first = write_table(tmp_path / 'a.csv', 'abc', (21, 22, 26))
    second = write_table(tmp_path / 'b.csv', names, (25, 21, 20))
    assert main(['compare', first, second, '--metrics', metric]) == 2
    assert message in capsys.readouterr().err
