"""The sheet of HiFaceGAN's levels: the content of its columns, and its errors."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from narrow import narrow
from PIL import Image

from rainrestore.cli.main import main
from rainrestore.engine.config import load_config
from rainrestore.registry import MODELS
from rainrestore.visualization.sheets import GAP

pytest.importorskip('mmagic')
ROOT = Path(__file__).parents[1]
CONFIG = ROOT / 'configs' / 'hifacegan' / 'hifacegan_128.py'
PORTRAITS = ROOT / 'data' / 'portraits128' / 'test' / 'img'
SIDE = 128
COLUMNS = 2 + 4 + 2


@pytest.fixture(scope='module')
def network(tmp_path_factory) -> tuple[Path, Path]:
    """A narrow HiFaceGAN of four levels: its config and its untrained weights."""
    folder = tmp_path_factory.mktemp('network')
    config = folder / 'tiny.py'
    config.write_text(f'_base_ = {str(CONFIG)!r}\nmodel = {narrow(load_config(CONFIG).model)!r}\n')
    torch.manual_seed(0)
    state = MODELS.build(load_config(config).model).state_dict()
    torch.save({'state_dict': state, 'meta': {}}, folder / 'tiny.pth')
    return config, folder / 'tiny.pth'


def draw(network: tuple[Path, Path], out: Path, *images: Path) -> list[np.ndarray]:
    """The images of the sheet, column by column."""
    words = ['mixed_guidance', *map(str, network), *map(str, images), '--out', str(out), '--device', 'cpu']
    assert main(words) == 0
    sheet = np.asarray(Image.open(out))
    assert sheet.shape[1] == GAP + COLUMNS * (SIDE + GAP)
    row = sheet[-GAP - SIDE : -GAP]
    return [row[:, GAP + column * (SIDE + GAP) :][:, :SIDE] for column in range(COLUMNS)]


def pixels(path: Path) -> np.ndarray:
    return np.array(Image.open(path).convert('RGB'))


def tensor(path: Path) -> torch.Tensor:
    return torch.from_numpy(pixels(path)).permute(2, 0, 1)[None] / 255


def model_of(network: tuple[Path, Path]) -> torch.nn.Module:
    model = MODELS.build(load_config(network[0]).model).eval()
    model.load_state_dict(torch.load(network[1])['state_dict'])
    return model


def assert_shown(columns: list[np.ndarray], restored: list[torch.Tensor]) -> None:
    for column, face in zip(columns, restored, strict=True):
        assert np.abs(column - 255 * face[0].clamp(0, 1).permute(1, 2, 0).numpy()).max() <= 0.51


def test_columns_change_from_one_image_to_the_other(network, tmp_path, capsys):
    first, rest = sorted(PORTRAITS.iterdir())[:2]
    columns = draw(network, tmp_path / 'two' / 'sheet.png', first, rest)
    assert f'sheet: {tmp_path / "two" / "sheet.png"}' in capsys.readouterr().out
    np.testing.assert_array_equal(columns[0], pixels(first))
    np.testing.assert_array_equal(columns[1], pixels(rest))
    model = model_of(network)
    assert_shown(columns[2:], [model.mixed_guidance(tensor(first), tensor(rest), count) for count in range(6)])
    with torch.no_grad():
        # the first image guides all levels, so the result is the restoration of the first image
        assert_shown(columns[-1:], [model(tensor(first), mode='tensor')['pred_img']])
    assert all(not np.array_equal(a, b) for a, b in pairwise(columns[2:]))


def test_single_image_is_mixed_with_grey(network, tmp_path):
    first = sorted(PORTRAITS.iterdir())[0]
    columns = draw(network, tmp_path / 'alone.png', first)
    assert (columns[1] == 128).all()
    model, face = model_of(network), tensor(first)
    grey = torch.full_like(face, 0.5)
    assert_shown(columns[2:], [model.mixed_guidance(face, grey, count) for count in range(6)])


def fails(capsys, *words: object) -> str:
    assert main(['mixed_guidance', *map(str, words)]) == 2
    error = capsys.readouterr().err
    assert error.count('\n') == 1
    return error


def test_unsuitable_input_is_named(network, tmp_path, capsys):
    face = sorted(PORTRAITS.iterdir())[0]
    for side in (16, 64):
        Image.open(face).resize((side, side)).save(tmp_path / f'{side}.png')
    out = ('--out', tmp_path / 'none.png')
    assert 'levels to guide' in fails(capsys, ROOT / 'configs' / 'srgan' / 'srgan_x4.py', 'none.pth', face, *out)
    assert 'has no "model"' in fails(capsys, ROOT / 'configs' / '_base_' / 'runtime.py', 'none.pth', face, *out)
    assert f'{tmp_path / "64.png"}: is 64x64, and {face} is not' in fails(
        capsys, *network, face, tmp_path / '64.png', *out
    )
    small = fails(capsys, *network, tmp_path / '16.png', *out)
    assert '16.png: is 16x16; 4 levels need sides of at least 32' in small
    assert 'no_such.png' in fails(capsys, *network, tmp_path / 'no_such.png', *out)
    assert 'no_such.pth' in fails(capsys, network[0], tmp_path / 'no_such.pth', face, *out)
    assert 'no such config' in fails(capsys, 'none.py', network[1], face, *out)
    assert not (tmp_path / 'none.png').exists()
