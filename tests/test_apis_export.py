"""An exported file has the outputs of the network, runs without this package and has complete metadata."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from narrow import narrow
from torch import nn

from rainrestore.apis import Restorer
from rainrestore.apis import export as module
from rainrestore.apis.export import CHECKS, METADATA_FILE, NAMES, ExportError, export
from rainrestore.checkpoints import save_safetensors
from rainrestore.cli.main import main
from rainrestore.config_files import find_file
from rainrestore.engine.config import load_config
from rainrestore.labels import LABELS
from rainrestore.models.networks.layers import average_cells
from rainrestore.registry import MODELS

ROOT = Path(__file__).resolve().parents[1]
LICENCE = 'LicenseRef-CelebAMask-HQ-research-only'
# export() checks none of these sizes itself.
SIZES = ((1, 32, 32), (2, 40, 24), (5, 17, 31), (1, 9, 64))


def tiny(name: str, folder: Path) -> tuple[Path, Path, nn.Module]:
    """A config of narrow networks with random weights, its checkpoint, and the network as training builds it."""
    config = load_config(name)
    (folder / 'tiny.py').write_text(f"_base_ = '{find_file(name)}'\nmodel = {narrow(config.model)!r}\n")
    torch.manual_seed(0)
    network = MODELS.build(load_config(folder / 'tiny.py').model).eval()
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.uniform_(-0.3, 0.3)
            part.running_var.uniform_(0.5, 1.5)
    weights = save_safetensors(network.state_dict(), folder / 'tiny.safetensors', {'licence': 'CC0-1.0'})
    return folder / 'tiny.py', weights, network


def expected(network: nn.Module, rainy: torch.Tensor) -> dict[str, np.ndarray]:
    with torch.no_grad():
        outputs = network(rainy, mode='tensor')
    return {NAMES[key]: value.clamp(0, 1).numpy() for key, value in outputs.items()}


def test_onnx_output_equals_the_network_output(tmp_path):
    onnxruntime = pytest.importorskip('onnxruntime')
    pytest.importorskip('onnxscript')
    config, weights, network = tiny('fcg_gan_x4', tmp_path)
    exported = export(config, tmp_path / 'out' / 'tiny.onnx', 'onnx', weights, physics=True)
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == ['tiny.onnx']
    session = onnxruntime.InferenceSession(exported.path, providers=['CPUExecutionProvider'])
    names = [output.name for output in session.get_outputs()]
    assert names == ['image', 'J', 'S', 'T', 'A', 'F'] == list(exported.max_difference)
    assert max(exported.max_difference.values()) < 1e-4
    for size in SIZES:
        rainy = torch.rand(size[0], 3, *size[1:])
        found = dict(zip(names, session.run(None, {'rainy': rainy.numpy()}), strict=True))
        truth = expected(network, rainy)
        assert found['image'].shape == (size[0], 3, 4 * size[1], 4 * size[2])
        for name, values in truth.items():
            np.testing.assert_allclose(found[name], values, atol=1e-5, err_msg=f'{name} {size}')
    facts = session.get_modelmeta().custom_metadata_map
    assert (facts['scale'], facts['colour_order'], facts['licence']) == ('4', 'RGB', 'CC0-1.0')
    assert json.loads(facts['range']) == [0, 1]
    assert json.loads(facts['outputs']) == names
    assert json.loads(facts['labels']) == list(LABELS)


def test_torchscript_of_the_bundled_network_equals_the_restorer(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(['export', 'fcg_gan_x4', '--format', 'torchscript']) == 0
    lines = capsys.readouterr().out.splitlines()
    summary = json.loads(lines[-1])
    assert summary['file'] == 'fcg_gan_x4.pt' and summary['licence'] == LICENCE
    assert 0 < summary['max_difference']['image'] < 1e-4
    assert f'{summary["max_difference"]["image"]:.1e}' in lines[-2]
    extra = {METADATA_FILE: ''}
    script = torch.jit.load('fcg_gan_x4.pt', _extra_files=extra)
    facts = json.loads(extra[METADATA_FILE])
    assert facts['outputs'] == ['image'] and facts['scale'] == 4 and facts['name'] == 'fcg_gan_x4'
    pixels = np.random.default_rng(0).integers(0, 256, (32, 45, 3), dtype=np.uint8)
    (image,) = script(torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255)
    face = (image[0].permute(1, 2, 0) * 255).round().byte().numpy()
    difference = face.astype(int) - Restorer('fcg_gan_x4', device='cpu')(pixels).astype(int)
    assert np.abs(difference).max() <= 1


@pytest.mark.parametrize('name, outputs', (('hrrm_x4', ['J', 'S', 'T', 'A']), ('fpm_x4', ['J', 'S', 'T', 'A', 'F'])))
def test_rain_removal_and_parsing_networks_are_exported_with_all_outputs(tmp_path, name, outputs):
    config, weights, network = tiny(name, tmp_path)
    exported = export(config, tmp_path / 'tiny.pt', 'torchscript', weights)
    assert exported.metadata['outputs'] == outputs and exported.metadata['scale'] == 1
    rainy = torch.rand(2, 3, 21, 34)
    found = torch.jit.load(exported.path)(rainy)
    for values, truth in zip(found, expected(network, rainy).values(), strict=True):
        np.testing.assert_allclose(values.numpy(), truth, atol=1e-5)


def test_torchscript_computes_in_half_precision_under_autocast(tmp_path):
    config, weights, _ = tiny('fcg_gan_x4', tmp_path)
    exported = export(config, tmp_path / 'tiny.pt', 'torchscript', weights, physics=True)
    script, rainy = torch.jit.load(exported.path), torch.rand(2, 3, 24, 40)
    with torch.autocast('cpu', torch.bfloat16), torch.no_grad():
        rounded = script(rainy)
    for output, half in zip(script(rainy), rounded, strict=True):
        assert half.dtype == torch.float32 and 0 < (output - half).abs().max() < 0.1


@pytest.mark.parametrize('name', ['fcg_gan_x4', 'pix2pix_x4', 'face_sr_x4', 'heavy_rain_removal_x4', 'fpm_x4'])
def test_torchscript_computes_on_the_device_of_its_input(tmp_path, name):
    """The meta device replaces a GPU: an operation on tensors of two devices also fails with it."""
    config, weights, _ = tiny(name, tmp_path)
    script = torch.jit.load(export(config, tmp_path / 'tiny.pt', 'torchscript', weights, physics=True).path)
    for part in script.modules():
        for key, value in [*part.named_parameters(recurse=False), *part.named_buffers(recurse=False)]:
            part._c.setattr(key, value.detach().to('meta'))
    assert {output.device.type for output in script(torch.zeros(2, 3, 32, 40, device='meta'))} == {'meta'}


def test_export_does_not_overwrite_its_inputs(tmp_path, capsys):
    config, weights, _ = tiny('hrrm_x4', tmp_path)
    before = {path: path.read_bytes() for path in (config, weights)}
    link = tmp_path / 'link.pt'
    link.symlink_to(weights)
    for out in (weights, config, link):
        assert main(['export', str(config), '--checkpoint', str(weights), '-o', str(out)]) == 2
        assert f'{out}: is an input; choose another file' in capsys.readouterr().err
    assert main(['export', str(config), '--checkpoint', str(weights), '-o', str(tmp_path)]) == 2
    assert f'{tmp_path}: is a folder; name a file' in capsys.readouterr().err
    assert {path: path.read_bytes() for path in before} == before


def test_exported_file_with_wrong_output_is_not_written(tmp_path, monkeypatch, capsys):
    config, weights, _ = tiny('hrrm_x4', tmp_path)
    words = ['export', str(config), '--checkpoint', str(weights), '--format', 'torchscript', '-o']
    folder = tmp_path / 'out'
    load = module._load_torchscript

    def disturbed(path):
        run = load(path)
        return lambda image: [values + (image.shape[-1] == CHECKS[-1][-1]) * 1e-3 for values in run(image)]

    def broken(path):
        return lambda image: load(path)(image[:, :2])

    for loader, message in ((disturbed, 'differs from PyTorch by 1.0e-03'), (broken, 'fails for 1 images')):
        monkeypatch.setattr(module, '_load_torchscript', loader)
        assert main([*words, str(folder / 'a.pt')]) == 2
        assert message in capsys.readouterr().err
        assert not any(folder.iterdir())
    with pytest.raises(ValueError, match='format'):
        export(config, folder / 'a.pt', 'coreml', weights)  # type: ignore[arg-type]
    assert issubclass(ExportError, Exception)


@pytest.mark.parametrize('cells', (4, 8, 16))
def test_cell_average_equals_adaptive_pooling(monkeypatch, cells):
    image = torch.rand(2, 3, 9, 40, dtype=torch.float64)
    pooled = average_cells(image, cells)
    monkeypatch.setattr('rainrestore.models.networks.layers.exporting', lambda: True)
    torch.testing.assert_close(average_cells(image, cells), pooled, rtol=0, atol=1e-14)
