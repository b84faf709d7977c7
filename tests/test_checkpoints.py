import contextlib
import functools
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch
from mmengine.runner.checkpoint import CheckpointLoader
from safetensors.torch import save_file
from torch import nn
from zoos import add_model, write_zoo

from rainrestore.checkpoints import load_checkpoint, load_safetensors, save_safetensors
from rainrestore.errors import CheckpointError
from rainrestore.files import sha256_of
from rainrestore.zoo.files import zoo_file
from rainrestore.zoo.index import Zoo


@pytest.fixture
def weights():
    torch.manual_seed(0)
    shared = torch.randn(3, 4)
    return {'a.weight': shared, 'tied.weight': shared, 'bn.num_batches_tracked': torch.tensor(7)}


@pytest.fixture
def zoo(tmp_path, weights, monkeypatch):
    folder = tmp_path / 'zoo'
    small = write_zoo(folder, add_model(folder, 'tiny_x4', weights))
    monkeypatch.setattr(Zoo, 'bundled', lambda: small)
    monkeypatch.delenv('RAINRESTORE_ZOO_URL', raising=False)
    monkeypatch.setenv('RAINRESTORE_CACHE', str(tmp_path / 'cache'))
    return folder


def test_full_precision_and_metadata_are_read_back_exactly(tmp_path, weights):
    path = save_safetensors(weights, tmp_path / 'new' / 'w.safetensors', {'faces': 12, 'rain': 'rain_v1'})
    back, metadata = load_safetensors(path)
    assert metadata == {'faces': 12, 'rain': 'rain_v1'}
    assert back.keys() == weights.keys()
    assert all(torch.equal(back[name], weights[name]) for name in weights)
    assert [file.name for file in path.parent.iterdir()] == ['w.safetensors']


def test_half_precision_is_read_as_float32_and_counters_are_kept(tmp_path, weights):
    back, _ = load_safetensors(save_safetensors(weights, tmp_path / 'w.safetensors', half=True))
    assert back['a.weight'].dtype == torch.float32
    assert torch.equal(back['a.weight'], weights['a.weight'].half().float())
    assert back['bn.num_batches_tracked'].dtype == torch.int64


def test_overflow_in_half_precision_is_refused_without_a_file(tmp_path):
    with pytest.raises(CheckpointError, match=r"'big'.*half precision"):
        save_safetensors({'big': torch.tensor([1e6])}, tmp_path / 'w.safetensors', half=True)
    assert list(tmp_path.iterdir()) == []


def test_mmengine_loads_zoo_names_and_files(zoo, weights):
    for source in ('rainrestore://tiny_x4', str(zoo / 'tiny_x4.safetensors')):
        loaded = CheckpointLoader.load_checkpoint(source, map_location='cpu', logger='silent')
        assert torch.equal(loaded['state_dict']['a.weight'], weights['a.weight'].half().float())


def test_pretrained_init_accepts_a_prefix_of_a_zoo_model(zoo, weights):
    from mmengine.model import BaseModule

    class Tiny(BaseModule):
        def __init__(self):
            super().__init__({'type': 'Pretrained', 'checkpoint': 'rainrestore://tiny_x4', 'prefix': 'a.'})
            self.weight = nn.Parameter(torch.zeros(3, 4))

    tiny = Tiny()
    tiny.init_weights()
    assert torch.equal(tiny.weight, weights['a.weight'].half().float())


@pytest.fixture
def served(tmp_path, weights, monkeypatch):
    """A weight file behind an http address, with its digest; torch's cache is empty."""
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'cache'))
    (tmp_path / 'site').mkdir()
    path = save_safetensors(weights, tmp_path / 'site' / 'w.safetensors')
    handler = functools.partial(QuietHandler, directory=tmp_path / 'site')
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{server.server_port}/', path, sha256_of(path)
        server.shutdown()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


def test_address_with_a_digest_is_downloaded_once(served, weights):
    site, path, digest = served
    loaded = load_checkpoint(f'{site}w.safetensors#sha256={digest}')
    assert torch.equal(loaded['state_dict']['a.weight'], weights['a.weight'])
    path.unlink()
    assert torch.equal(
        load_checkpoint(f'{site}w.safetensors#sha256={digest}')['state_dict']['a.weight'], weights['a.weight']
    )


def test_digest_in_the_file_name_is_accepted(served, weights):
    site, path, digest = served
    path.rename(path.with_name(f'w-{digest[:8]}.safetensors'))
    assert load_checkpoint(f'{site}w-{digest[:8]}.safetensors')['state_dict'].keys() == weights.keys()


@pytest.mark.parametrize(
    ('behind', 'match'),
    [
        ('w.safetensors', 'is not downloaded because its SHA-256 is unknown'),
        ('w.safetensors#sha256=abc', 'is not downloaded'),
        ('w.safetensors#sha256=' + 64 * '0', 'cannot be downloaded .*hash'),
        ('gone.safetensors#sha256=' + 64 * '0', 'cannot be downloaded .*404'),
    ],
)
def test_address_with_a_wrong_digest_is_refused(served, tmp_path, behind, match):
    with pytest.raises(CheckpointError, match=match):
        load_checkpoint(served[0] + behind)
    assert not [path for path in (tmp_path / 'cache').rglob('*') if path.is_file()]


def test_names_of_other_packages_use_the_digest_in_their_address(monkeypatch):
    """torchvision:// and open-mmlab:// are addresses with a digest in their name."""
    from mmengine.runner import checkpoint

    asked = []
    monkeypatch.setattr(torch.hub, 'download_url_to_file', lambda url, path, digest, **_: asked.append((url, digest)))
    with pytest.raises(CheckpointError):
        checkpoint.load_from_http('https://download.pytorch.org/models/resnet18-f37072fd.pth')
    assert asked == [('https://download.pytorch.org/models/resnet18-f37072fd.pth', 'f37072fd')]


def test_error_for_an_unknown_name_suggests_and_lists_names(zoo):
    with pytest.raises(CheckpointError, match=r"did you mean 'tiny_x4'\?\)\. Models: tiny_x4"):
        load_checkpoint('rainrestore://tinyx4')


def test_changed_zoo_file_is_refused(zoo):
    path = zoo / 'tiny_x4.safetensors'
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match='not the published file'):
        load_checkpoint('rainrestore://tiny_x4')
    path.unlink()
    with pytest.raises(CheckpointError, match='RAINRESTORE_ZOO_URL'):
        zoo_file('tiny_x4')


@pytest.mark.parametrize('suffix', ['.safetensors', '.pth'])
@pytest.mark.parametrize('keep', [0, 20, -10])
def test_truncated_file_is_named(tmp_path, weights, suffix, keep):
    path = tmp_path / f'w{suffix}'
    if suffix == '.pth':
        torch.save(weights, path)
    else:
        save_safetensors(weights, path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=r'damaged|truncated') as caught:
        load_checkpoint(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ('source', 'reason'), [('torchvision://resnet500', 'resnet500'), ('s3://faces/a.pth', 'petrel_client')]
)
def test_error_for_an_address_without_weights_is_one_line(source: str, reason: str) -> None:
    with pytest.raises(CheckpointError, match=f'^{source}: no such weights, or a package is missing: .*{reason}'):
        load_checkpoint(source)


@pytest.mark.parametrize('name', ['no.pth', 'no.safetensors'])
def test_missing_file_is_named(tmp_path, name):
    with pytest.raises(CheckpointError, match='no checkpoint at .*' + name):
        load_checkpoint(tmp_path / name)


def test_bare_state_dict_and_mmengine_checkpoint_are_read_alike(tmp_path, weights):
    torch.save(weights, tmp_path / 'bare.pth')
    torch.save({'state_dict': weights, 'meta': {'epoch': 3}}, tmp_path / 'full.pth')
    torch.save({'state_dict': {f'module.{name}': value for name, value in weights.items()}}, tmp_path / 'wrapped.pth')
    bare, full, wrapped = (load_checkpoint(tmp_path / f'{name}.pth') for name in ('bare', 'full', 'wrapped'))
    assert bare['state_dict'].keys() == full['state_dict'].keys() == wrapped['state_dict'].keys()
    assert full['meta']['epoch'] == 3


@pytest.mark.parametrize('prefix', ['_orig_mod.module.', 'module._orig_mod.', 'module.module.'])
def test_prefixes_of_several_wrappers_are_removed(tmp_path, weights, prefix):
    held = {f'{prefix}{name}': value for name, value in weights.items()}
    torch.save({'state_dict': {}, 'params_ema': held}, tmp_path / 'w.pth')
    assert load_checkpoint(tmp_path / 'w.pth')['state_dict'].keys() == weights.keys()


@pytest.mark.parametrize('name', ['W.SAFETENSORS', 'w.pth', 'w'])
def test_safetensors_file_is_recognised_under_any_name(tmp_path, weights, name):
    save_safetensors(weights, tmp_path / name, {'note': 'x'})
    held = load_checkpoint(tmp_path / name)
    assert held['state_dict'].keys() == weights.keys() and held['meta']['note'] == 'x'


def test_checkpoint_without_weights_is_refused(tmp_path):
    torch.save([], tmp_path / 'empty.pth')
    with pytest.raises(CheckpointError, match='contains no weights'):
        load_checkpoint(tmp_path / 'empty.pth')


class Runs:
    """A pickle that runs a program when it is read."""

    def __init__(self, proof):
        self.proof = proof

    def __reduce__(self):
        return open, (str(self.proof), 'w')


def test_malicious_file_runs_no_code(tmp_path, weights):
    torch.save({'state_dict': weights, 'meta': Runs(tmp_path / 'proof')}, tmp_path / 'w.pth')
    with pytest.raises(
        CheckpointError, match=r'w\.pth is damaged, or contains objects that could run code.*Unsupported global'
    ):
        load_checkpoint(tmp_path / 'w.pth')
    assert not (tmp_path / 'proof').exists()


def test_training_checkpoint_of_mmengine_is_read(tmp_path, weights):
    from mmengine.logging import MessageHub

    hub = MessageHub('test_training_checkpoint')
    hub.update_scalar('train/loss', 0.5)
    hub.update_info('best', np.float64(21.5))
    torch.save({'state_dict': weights, 'message_hub': hub.state_dict()}, tmp_path / 'iter_1.pth')
    loaded = load_checkpoint(tmp_path / 'iter_1.pth')
    assert torch.equal(loaded['state_dict']['a.weight'], weights['a.weight'])


@pytest.mark.parametrize('held', [{'state_dict': [1, 2]}, {'a': 'words'}, {1: torch.zeros(1)}])
def test_other_content_than_weights_is_refused(tmp_path, held):
    torch.save(held, tmp_path / 'w.pth')
    with pytest.raises(CheckpointError, match=r'w\.pth contains other values than named weights'):
        load_checkpoint(tmp_path / 'w.pth')


@pytest.mark.filterwarnings('ignore:Detected pickle protocol')
@pytest.mark.parametrize('suffix', ['.safetensors', '.pth'])
def test_file_with_changed_bytes_is_read_or_raises_a_checkpoint_error(tmp_path, weights, suffix):
    """Half of the changes are in the first bytes, which contain lengths and types. 200 changes take about a second."""
    path = tmp_path / f'w{suffix}'
    if suffix == '.pth':
        torch.save({'state_dict': weights, 'meta': {'psnr': np.float64(21.5)}}, path)
    else:
        save_safetensors(weights, path, {'faces': 12})
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    rng = np.random.default_rng(2022)
    for reach in (400, len(whole)) * 100:
        damaged = whole.copy()
        damaged[rng.integers(0, min(reach, len(whole)), 3)] = rng.integers(0, 256, 3)
        path.write_bytes(damaged.tobytes())
        # Any other error fails the test.
        with contextlib.suppress(CheckpointError):
            load_checkpoint(path)


def test_metadata_without_valid_json_are_refused(tmp_path, weights):
    for packed in ('{"cut', '[' * 100_000, '3'):
        save_file({'a': torch.zeros(2)}, tmp_path / 'w.safetensors', metadata={'rainrestore': packed})
        with pytest.raises(CheckpointError, match='its metadata is'):
            load_safetensors(tmp_path / 'w.safetensors')
