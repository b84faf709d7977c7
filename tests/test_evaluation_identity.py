"""Identity distance with a toy embedder; crop and errors of the dlib embedder."""

import importlib.util
import sys

import numpy as np
import pytest
import torch
from mmengine.structures import BaseDataElement

from rainrestore.errors import ConfigError, MissingPackageError
from rainrestore.evaluation import DlibFaceEmbedder, IdentityDistance, RestorationEvaluator
from rainrestore.evaluation.dlib_metrics import CHIP_SIDE, EMBEDDER_FILE, cut_window
from rainrestore.optional import optional_import
from rainrestore.registry import MODELS


@pytest.fixture
def mean_colour():
    """An embedder that returns the mean colour times a factor."""

    class MeanColour:
        def __init__(self, factor: float = 1.0, flat: bool = False) -> None:
            self.factor, self.flat = factor, flat

        def __call__(self, faces):
            assert faces.dtype == torch.float32 and faces.min() >= 0 and faces.max() <= 1
            vectors = faces.mean((2, 3)) * self.factor
            return vectors.flatten() if self.flat else vectors

    MODELS.register_module(name='MeanColour', module=MeanColour)
    yield
    MODELS.module_dict.pop('MeanColour')


def sample(pred, gt, name='face'):
    made = BaseDataElement(metainfo={'name': name}, gt_img=gt)
    made.output = BaseDataElement(pred_img=pred)
    return made


def flat(*colour):
    return torch.tensor(colour).view(3, 1, 1).expand(-1, 8, 8).contiguous()


def test_distance_equals_a_computation_by_hand(mean_colour):
    evaluator = RestorationEvaluator([{'type': 'IdentityDistance', 'embedder': dict(type='MeanColour', factor=2.0)}])
    truth = flat(51, 102, 0).byte()
    evaluator.process([
        sample(truth.float(), truth, 'same'),
        # colours differ by 3, 4 and 0 tenths
        sample(flat(127.5, 204.0, 0.0), truth, 'other'),
    ])  # fmt: skip
    assert evaluator.evaluate(2) == {'identity_distance': pytest.approx(0.5)}
    assert dict(evaluator.metrics[0].per_image) == {'same': 0, 'other': pytest.approx(1.0)}


def test_two_sizes_are_accepted_and_missing_predictions_are_refused(mean_colour):
    metric = IdentityDistance(dict(type='MeanColour'), optional=True)
    assert metric.key == 'identity_distance'
    evaluator = RestorationEvaluator([metric])
    small = flat(0, 0, 0).byte()
    large = torch.zeros(3, 12, 10, dtype=torch.uint8)
    bare = BaseDataElement(metainfo={'name': 'bare'}, gt_img=small)
    bare.output = BaseDataElement()
    evaluator.process([sample(small + 255.0, small, 'small'), sample(large.float(), large, 'large'), bare])
    assert evaluator.evaluate(3) == {'identity_distance': pytest.approx(3**0.5 / 2)}


def test_embedder_with_mixed_up_faces_is_refused(mean_colour):
    metric = IdentityDistance(dict(type='MeanColour', flat=True))
    with pytest.raises(ConfigError, match=r'the output of MeanColour for 2 faces has shape \(6,\), expected \(2, D\)'):
        metric.measure(torch.zeros(2, 3, 8, 8), torch.zeros(2, 3, 8, 8))


def test_missing_packages_and_weights_name_the_command(monkeypatch, tmp_path):
    command = 'pip install dlib-bin face_recognition_models'
    find = importlib.util.find_spec
    # this blocks only this package; other imports must still work
    missing = 'face_recognition_models'
    monkeypatch.setattr('importlib.util.find_spec', lambda name, *rest: None if name == missing else find(name, *rest))
    with pytest.raises(MissingPackageError, match=f'face_recognition_models, which is not installed: {command}'):
        RestorationEvaluator([{'type': 'IdentityDistance'}])
    with pytest.raises(ConfigError, match=f'no weights at /no/such.dat.*{command}'):
        DlibFaceEmbedder(weights='/no/such.dat')
    (tmp_path / EMBEDDER_FILE).write_bytes(b'')
    monkeypatch.setitem(sys.modules, 'dlib', None)
    optional_import.cache_clear()
    with pytest.raises(MissingPackageError, match=f'needs dlib, and dlib is not installed: {command}'):
        DlibFaceEmbedder(weights=str(tmp_path / EMBEDDER_FILE))


@pytest.mark.parametrize('window', [(0.5, 0, 0.5, 1), (0, 0.2, 1, 1.1), (-0.1, 0, 1, 1)])
def test_window_outside_the_image_is_refused(window):
    with pytest.raises(ConfigError, match='window must be 0 <= x0 < x1 <= 1'):
        DlibFaceEmbedder(window=window)


def test_crop_has_the_stated_position():
    """A ramp in x and one in y give the origin of each pixel of the crop; bicubic interpolation keeps ramps."""
    height, width = 80, 160
    x = (torch.arange(width) + 0.5) / width
    y = (torch.arange(height) + 0.5) / height
    face = torch.stack([x.expand(height, -1), y[:, None].expand(-1, width), torch.zeros(height, width)])
    chip = cut_window(face[None], (0.25, 0.4, 0.75, 0.9))
    assert chip.shape == (1, CHIP_SIDE, CHIP_SIDE, 3) and chip.dtype == np.uint8
    centres = (np.arange(CHIP_SIDE) + 0.5) / CHIP_SIDE
    np.testing.assert_allclose(chip[0, :, :, 0], np.tile((0.25 + 0.5 * centres) * 255, (CHIP_SIDE, 1)), atol=0.8)
    np.testing.assert_allclose(chip[0, :, :, 1].T, np.tile((0.4 + 0.5 * centres) * 255, (CHIP_SIDE, 1)), atol=0.8)


def test_dlib_distinguishes_faces(portraits):
    """Needs the optional packages. A blurred face is nearer to itself than to any other face."""
    pytest.importorskip('dlib')
    pytest.importorskip('face_recognition_models')
    from rainrestore.image_io import list_images, read_image
    from rainrestore.physics import enlarge, shrink

    files = list_images(portraits / 'test' / 'img')[:6]
    sharp = [read_image(path) for path in files]
    soft = [enlarge(shrink(face, 4), 4) for face in sharp]
    embedder = MODELS.build(dict(type='DlibFaceEmbedder'))
    first = embedder(torch.from_numpy(np.stack(sharp)).permute(0, 3, 1, 2).float() / 255)
    second = embedder(torch.from_numpy(np.stack(soft)).permute(0, 3, 1, 2).float().clamp(0, 1))
    distances = torch.cdist(first, second)
    assert first.shape == (6, 128)
    assert (distances.argmin(1) == torch.arange(6)).all()
    assert distances.diagonal().max() < 0.6
