import json

import pytest
import torch
from mmengine.runner.checkpoint import CheckpointLoader
from torch import nn

from rainrestore.engine import checkpoints
from rainrestore.engine.checkpoints import load_checkpoint, load_safetensors, save_safetensors, sha256_of, zoo_file
from rainrestore.errors import CheckpointError


@pytest.fixture
def weights():
    torch.manual_seed(0)
    shared = torch.randn(3, 4)
    return {'a.weight': shared, 'tied.weight': shared, 'bn.num_batches_tracked': torch.tensor(7)}


@pytest.fixture
def zoo(tmp_path, weights, monkeypatch):
    path = save_safetensors(weights, tmp_path / 'zoo' / 'tiny_x4.safetensors', half=True)
    index = {'tiny_x4': {'file': path.name, 'sha256': sha256_of(path), 'config': 'tiny.py', 'licence': 'Apache-2.0'}}
    (path.parent / 'index.json').write_text(json.dumps(index))
    monkeypatch.setattr(checkpoints, 'ZOO_DIR', path.parent)
    return path.parent


def test_full_precision_and_metadata_come_back_exactly(tmp_path, weights):
    path = save_safetensors(weights, tmp_path / 'new' / 'w.safetensors', {'faces': 12, 'rain': 'rain_v1'})
    back, metadata = load_safetensors(path)
    assert metadata == {'faces': 12, 'rain': 'rain_v1'}
    assert back.keys() == weights.keys()
    assert all(torch.equal(back[name], weights[name]) for name in weights)
    assert [file.name for file in path.parent.iterdir()] == ['w.safetensors']


def test_half_precision_comes_back_as_float32_and_counters_stay(tmp_path, weights):
    back, _ = load_safetensors(save_safetensors(weights, tmp_path / 'w.safetensors', half=True))
    assert back['a.weight'].dtype == torch.float32
    assert torch.equal(back['a.weight'], weights['a.weight'].half().float())
    assert back['bn.num_batches_tracked'].dtype == torch.int64


def test_overflow_in_half_precision_is_refused_and_leaves_no_file(tmp_path):
    with pytest.raises(CheckpointError, match=r"'big'.*half precision"):
        save_safetensors({'big': torch.tensor([1e6])}, tmp_path / 'w.safetensors', half=True)
    assert list(tmp_path.iterdir()) == []


def test_mmengine_loads_a_zoo_name_and_a_file(zoo, weights):
    for source in ('rainrestore://tiny_x4', str(zoo / 'tiny_x4.safetensors')):
        loaded = CheckpointLoader.load_checkpoint(source, map_location='cpu', logger='silent')
        assert torch.equal(loaded['state_dict']['a.weight'], weights['a.weight'].half().float())


def test_pretrained_init_takes_a_prefix_of_a_zoo_model(zoo, weights):
    from mmengine.model import BaseModule

    class Tiny(BaseModule):
        def __init__(self):
            super().__init__({'type': 'Pretrained', 'checkpoint': 'rainrestore://tiny_x4', 'prefix': 'a.'})
            self.weight = nn.Parameter(torch.zeros(3, 4))

    tiny = Tiny()
    tiny.init_weights()
    assert torch.equal(tiny.weight, weights['a.weight'].half().float())


def test_url_of_a_safetensors_file_is_left_to_mmengine():
    loader = CheckpointLoader._get_checkpoint_loader('https://example.org/w.safetensors')
    assert loader.__name__ == 'load_from_http'


def test_unknown_name_suggests_and_lists(zoo):
    with pytest.raises(CheckpointError, match=r'did you mean rainrestore://tiny_x4\? Models: tiny_x4'):
        load_checkpoint('rainrestore://tinyx4')


def test_changed_zoo_file_is_refused(zoo):
    path = zoo / 'tiny_x4.safetensors'
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match='not the published file'):
        load_checkpoint('rainrestore://tiny_x4')
    path.unlink()
    with pytest.raises(CheckpointError, match='missing'):
        zoo_file('tiny_x4')


@pytest.mark.parametrize('suffix', ['.safetensors', '.pth'])
@pytest.mark.parametrize('keep', [0, 20, -10])
def test_file_cut_short_is_named(tmp_path, weights, suffix, keep):
    path = tmp_path / f'w{suffix}'
    if suffix == '.pth':
        torch.save(weights, path)
    else:
        save_safetensors(weights, path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=r'damaged|cut short') as caught:
        load_checkpoint(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize('name', ['no.pth', 'no.safetensors'])
def test_missing_file_is_named(tmp_path, name):
    with pytest.raises(CheckpointError, match='no checkpoint at .*' + name):
        load_checkpoint(tmp_path / name)


def test_bare_state_dict_and_mmengine_checkpoint_look_alike(tmp_path, weights):
    torch.save(weights, tmp_path / 'bare.pth')
    torch.save({'state_dict': weights, 'meta': {'epoch': 3}}, tmp_path / 'full.pth')
    bare, full = load_checkpoint(tmp_path / 'bare.pth'), load_checkpoint(tmp_path / 'full.pth')
    assert bare['state_dict'].keys() == full['state_dict'].keys()
    assert full['meta']['epoch'] == 3


def test_checkpoint_without_weights_is_refused(tmp_path):
    torch.save([], tmp_path / 'empty.pth')
    with pytest.raises(CheckpointError, match='holds no weights'):
        load_checkpoint(tmp_path / 'empty.pth')
