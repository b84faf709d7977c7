import numpy as np
import pytest
import torch

from rainrestore.models.restorers import ClassicRestorer
from rainrestore.physics.resample import enlarge


@pytest.fixture
def faces():
    return torch.rand(2, 3, 12, 8, generator=torch.Generator().manual_seed(0)) * 0.5 + 0.2


def test_bicubic_equals_the_enlargement_of_the_rain_model(faces):
    restored = ClassicRestorer('bicubic').restore(faces)['pred_img']
    for face, large in zip(faces, restored, strict=True):
        expected = np.clip(enlarge(face.permute(1, 2, 0).numpy().copy(), 4), 0, 1)
        np.testing.assert_allclose(large.permute(1, 2, 0).numpy(), expected, atol=1e-4)


def test_stretch_equals_numpy_for_each_image(faces):
    restored = ClassicRestorer('stretch', percentiles=(2, 90)).restore(faces)['pred_img']
    for face, large in zip(faces, restored, strict=True):
        low, high = np.percentile(face.numpy(), [2, 90])
        stretched = np.clip((face.numpy() - low) / (high - low), 0, 1).astype(np.float32)
        expected = np.clip(enlarge(np.ascontiguousarray(stretched.transpose(1, 2, 0)), 4), 0, 1)
        np.testing.assert_allclose(large.permute(1, 2, 0).numpy(), expected, atol=1e-4)


def test_stretch_undoes_a_uniform_haze(faces):
    face = (faces - faces.amin()) / (faces.amax() - faces.amin())
    hazy = 0.4 * face + 0.6 * 0.8
    restorer = ClassicRestorer('stretch', percentiles=(0, 100))
    clean = restorer.restore(face)['pred_img']
    assert torch.allclose(restorer.restore(hazy)['pred_img'], clean, atol=1e-4)


def test_uniform_image_and_red_channel_are_kept():
    grey = torch.full((1, 3, 8, 8), 0.5)
    assert torch.isfinite(ClassicRestorer('stretch').restore(grey)['pred_img']).all()
    red = torch.zeros(1, 3, 8, 8)
    red[:, 0] = 1
    for method in ('bicubic', 'stretch'):
        restored = ClassicRestorer(method).restore(red)['pred_img']
        assert restored[:, 0].min() > 0.99
        assert restored[:, 1:].max() < 0.01


def test_invalid_options_and_training_are_refused(faces):
    with pytest.raises(ValueError, match='bicubic, stretch'):
        ClassicRestorer('lanczos')
    with pytest.raises(ValueError, match='percentiles'):
        ClassicRestorer('stretch', percentiles=(99, 1))
    with pytest.raises(TypeError, match='ClassicRestorer cannot be trained'):
        ClassicRestorer()(faces, [], mode='loss')
