"""The methods without training, compared with separate calls of the same networks."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from rainrestore.cli.main import main
from rainrestore.physics.resample import enlarge
from rainrestore.registry import MODELS
from tests.test_models_restorers import batch, tiny

pytest.importorskip('mmagic')
CONFIGS = Path(__file__).parents[1] / 'configs'


@pytest.mark.parametrize('name', ['derained', 'parsing'])
def test_oracle_equals_the_trained_network_with_one_true_slot(name: str) -> None:
    joint, oracle = tiny('fcg_gan_x4').eval(), tiny(f'oracle_{name}_x4').eval()
    oracle.load_state_dict(joint.state_dict())
    data = batch()
    inputs = joint.data_preprocessor(data)['inputs']
    samples = data['data_samples']
    with torch.no_grad():
        derained = joint.rain_removal(inputs).lr
        if name == 'derained':
            derained = torch.stack([sample.lr_img for sample in samples])
        parsing = joint.face_parser(torch.cat((inputs, derained), 1))
        if name == 'parsing':
            parsing = torch.stack([sample.parsing for sample in samples])
        expected = joint.generator(inputs, derained, parsing) * 255
        result = oracle(inputs, samples, mode='predict')
        plain = joint(inputs, [sample.clone() for sample in samples], mode='predict')
    for index, sample in enumerate(result):
        torch.testing.assert_close(sample.output.pred_img, expected[index])
        assert not torch.allclose(sample.output.pred_img, plain[index].output.pred_img)


def test_flipped_face_is_restored_to_the_flipped_output() -> None:
    """Both models have the same weights. Only the mean over the face and its flipped copy has this property."""
    joint, mirrored = tiny('fcg_gan_x4').eval(), tiny('fcg_gan_mirrored_x4').eval()
    mirrored.load_state_dict(joint.state_dict())
    inputs = joint.data_preprocessor(batch())['inputs']
    with torch.no_grad():
        plain, turned = (joint(image)['pred_img'] for image in (inputs, inputs.flip(-1)))
        average, turned_average = (mirrored(image)['pred_img'] for image in (inputs, inputs.flip(-1)))
    assert not torch.allclose(turned, plain.flip(-1), atol=1e-3)
    torch.testing.assert_close(turned_average, average.flip(-1))
    torch.testing.assert_close(2 * average - plain, turned.flip(-1))


@pytest.mark.parametrize('name', ['oracle_derained_x4', 'fcg_gan_mirrored_x4'])
def test_reference_method_refuses_the_loss_mode(name: str) -> None:
    oracle = tiny(name)
    with pytest.raises(TypeError, match='cannot be trained'):
        oracle(torch.rand(1, 3, 32, 32), [], mode='loss')


def test_oracle_needs_the_slot_that_it_replaces() -> None:
    slots = dict(generator={}, pixel_loss={}, rain_removal={})
    with pytest.raises(ValueError, match='must be filled'):
        MODELS.build(dict(type='OracleFCGGAN', oracle='parsing', **slots))
    with pytest.raises(ValueError, match="got 'rain'"):
        MODELS.build(dict(type='OracleFCGGAN', oracle='rain', **slots))


def test_rain_removal_with_bicubic_enlarges_j_like_the_rain_model() -> None:
    model = tiny('hrrm_bicubic_x4').eval()
    inputs = model.data_preprocessor(batch())['inputs']
    with torch.no_grad():
        outputs = model.restore(inputs)
    for small, large in zip(outputs['lr_img'], outputs['pred_img'], strict=True):
        expected = np.clip(enlarge(small.permute(1, 2, 0).numpy(), 4), 0, 1)
        assert np.abs(large.permute(1, 2, 0).numpy() - expected).max() < 1e-5


@pytest.mark.parametrize(
    ('name', 'weights'),
    [('hrrm_bicubic_x4', 'rainrestore://hrrm_x4'), ('oracle_parsing_x4', 'rainrestore://fcg_gan_x4')],
)
def test_reference_method_is_tested_on_any_faces(
    name: str, weights: str, face_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [name, weights, '--data', str(face_folder), '--out', str(tmp_path / 'out')]
    assert main(['test', *words, '--cfg-options', 'test_dataloader.num_workers=0']) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])['PSNR'] > 5


def test_reference_method_cannot_be_trained(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for name in ('oracle_derained_x4', 'fcg_gan_mirrored_x4', 'bicubic_x4'):
        assert main(['train', name, '--work-dir', str(tmp_path)]) == 2
        assert 'has no train_cfg' in capsys.readouterr().err
