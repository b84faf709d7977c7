"""A pure red image stays red from the file to the restored face."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rainrestore.cli.main import main
from rainrestore.datasets import FaceDataset

pytest.importorskip('mmagic')
ROOT = Path(__file__).parents[1]
# rain without effect: T = 1 and no streaks, so that I is J
CLEAR = dict(
    type='ScaleAwareHeavyRain', seed=0, ranges=dict(beta=(0, 0), gain_base=0, gain_per_length=0, gain_jitter=0)
)


@pytest.fixture
def red_folder(tmp_path: Path) -> Path:
    for split in ('train', 'val', 'test'):
        for kind, image in (('img', np.full((128, 128, 3), (255, 0, 0))), ('mask', np.ones((128, 128)))):
            folder = tmp_path / 'red' / split / kind
            folder.mkdir(parents=True)
            Image.fromarray(image.astype(np.uint8)).save(folder / 'red.png')
    return tmp_path / 'red'


def test_training_pipeline_keeps_red(red_folder: Path) -> None:
    pipeline = [dict(type='FlipFace'), CLEAR, dict(type='ParsingTarget'), dict(type='PackFaceInputs')]
    sample = FaceDataset(red_folder, 'train', pipeline)[0]
    for image in (sample['inputs'], sample['data_samples'].gt_img):
        assert [image[channel].unique().tolist() for channel in range(3)] == [[255], [0], [0]]
    assert (sample['data_samples'].lr_img.mean((1, 2)).numpy() == (1, 0, 0)).all()


def test_test_command_and_sheet_keep_red(red_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    config = tmp_path / 'clear.py'
    config.write_text(
        f'_base_ = {str(ROOT / "configs/references/bicubic_x4.py")!r}\n'
        f"test_dataloader = dict(num_workers=0, dataset=dict(pipeline=[{CLEAR!r}, dict(type='PackFaceInputs')]))\n",
        encoding='utf-8',
    )
    out = tmp_path / 'out'
    assert main(['test', str(config), 'none', '--data', str(red_folder), '--out', str(out)]) == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    # identical images have no finite PSNR
    assert summary['PSNR'] is None or summary['PSNR'] > 50
    sheet = np.asarray(Image.open(out / 'sheet.png').convert('RGB')).astype(int)
    coloured = sheet[(sheet.max(2) - sheet.min(2)) > 60]
    assert len(coloured) > 3 * 100 * 100
    assert (coloured[:, 0] > coloured[:, 1:].max(1)).all()
