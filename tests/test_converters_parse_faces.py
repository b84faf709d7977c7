"""Masks by facexlib's parsing networks, with weights that give a known label map."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from parse_faces import PARSERS, FaceLabeller, parse_faces
from PIL import Image

from rainrestore.errors import CheckpointError, ConfigError, DatasetError
from rainrestore.labels import LABELS

pytest.importorskip('facexlib')


def published_file(folder: Path, network: str, label: str) -> Path:
    """Weights with the constant output ``label``: all values are zero except one bias or batch norm."""
    from facexlib.parsing import bisenet, parsenet

    parser = PARSERS[network]
    model = getattr(bisenet if network == 'bisenet' else parsenet, parser.network)(**parser.options)
    channel = parser.labels.index(label)
    state = {key: torch.zeros_like(value) for key, value in model.state_dict().items()}
    state = {key: value + 1 if 'running_var' in key else value for key, value in state.items()}
    if network == 'bisenet':
        state['conv_out.conv.bn.bias'] += 1
        state['conv_out.conv_out.weight'][channel] = 1
    else:
        state['out_mask_conv.conv2d.bias'][channel] = 1
    path = folder / parser.file
    torch.save(state, path)
    return path


def test_label_orders_have_every_label_once():
    for parser in PARSERS.values():
        assert sorted(parser.labels) == sorted(LABELS)


@pytest.mark.parametrize(
    ('network', 'label'),
    [('bisenet', 'nose'), ('bisenet', 'hat'), pytest.param('parsenet', 'l_lip', marks=pytest.mark.slow)],
)
def test_network_labels_are_converted_to_celebamask_labels(network: str, label: str, tmp_path: Path):
    labeller = FaceLabeller(network, published_file(tmp_path, network, label), 'cpu')
    masks = labeller([np.full((32, 48, 3), 128, np.uint8)])
    assert masks.shape == (1, 32, 48) and masks.dtype == np.uint8
    assert (masks == LABELS.index(label)).all()


def test_network_input_is_enlarged_and_normalised(tmp_path: Path):
    labeller = FaceLabeller('bisenet', published_file(tmp_path, 'bisenet', 'skin'), 'cpu')
    seen = []
    labeller.network.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    labeller([np.full((16, 16, 3), (255, 0, 51), np.uint8)])
    assert seen[0].shape == (1, 3, 512, 512)
    assert torch.allclose(
        seen[0].mean((0, 2, 3)), torch.tensor([(1 - 0.485) / 0.229, -0.456 / 0.224, (0.2 - 0.406) / 0.225]), atol=1e-5
    )


def test_existing_masks_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    weights = published_file(tmp_path, 'bisenet', 'hair')
    folder = tmp_path / 'data' / 'train'
    for name in ('img', 'mask'):
        (folder / name).mkdir(parents=True)
    for name in ('a', 'b'):
        Image.new('RGB', (16, 16), (90, 80, 70)).save(folder / 'img' / f'{name}.jpg')
    Image.new('L', (16, 16), 3).save(folder / 'mask' / 'a.png')
    words = [
        'parse_faces.py',
        str(tmp_path / 'data'),
        '--splits',
        'train',
        '--weights',
        str(weights),
        '--device',
        'cpu',
    ]
    monkeypatch.setattr(sys, 'argv', words)
    script = Path(__file__).parents[1] / 'tools' / 'dataset_converters' / 'parse_faces.py'
    with pytest.raises(SystemExit, match='0'):
        runpy.run_path(str(script), run_name='__main__')
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {'train': 1}
    assert np.asarray(Image.open(folder / 'mask' / 'a.png')).max() == 3
    assert np.asarray(Image.open(folder / 'mask' / 'b.png')).min() == LABELS.index('hair')
    assert parse_faces(folder, FaceLabeller('bisenet', weights, 'cpu'), overwrite=True, progress=False) == 2
    assert np.asarray(Image.open(folder / 'mask' / 'a.png')).min() == LABELS.index('hair')


def test_error_for_invalid_input_is_one_line(tmp_path: Path):
    with pytest.raises(ConfigError, match='network must be one of bisenet, parsenet'):
        FaceLabeller('unet')
    with pytest.raises(CheckpointError, match=r'gone\.pth: no such file; the weights of BiSeNet are at http'):
        FaceLabeller('bisenet', tmp_path / 'gone.pth', 'cpu')
    with pytest.raises(CheckpointError, match='does not contain the weights of ParseNet'):
        FaceLabeller('parsenet', published_file(tmp_path, 'bisenet', 'skin'), 'cpu')
    labeller = FaceLabeller('bisenet', published_file(tmp_path, 'bisenet', 'skin'), 'cpu')
    with pytest.raises(DatasetError):
        parse_faces(tmp_path / 'nowhere', labeller, progress=False)
