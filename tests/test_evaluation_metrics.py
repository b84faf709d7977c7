import math

import numpy as np
import pytest
import torch
from mmengine.structures import BaseDataElement

from rainrestore.engine import PrepareMetricsHook
from rainrestore.errors import ConfigError
from rainrestore.evaluation import MAE, MSSSIM, PSNR, SSIM, ParsingMIoU, RestorationEvaluator, psnr, read_csv, ssim


def faces(count=3, side=32, seed=0, channels=3):
    rng = np.random.default_rng(seed)
    gt = rng.integers(0, 256, (count, channels, side, side), dtype=np.uint8)
    pred = np.clip(gt + rng.normal(0, 20, gt.shape), 0, 255).astype(np.float32)
    return torch.from_numpy(pred), torch.from_numpy(gt)


def samples(pred, gt, **fields):
    made = []
    for index in range(len(pred)):
        sample = BaseDataElement(metainfo={'name': f'face{index}'}, gt_img=gt[index])
        sample.output = BaseDataElement(pred_img=pred[index])
        for key, value in fields.items():
            sample.set_data({key: value[index]})
        made.append(sample)
    return made


@pytest.mark.parametrize('crop', [0, 4])
@pytest.mark.parametrize('convert', [None, 'Y'])
def test_psnr_and_ssim_equal_those_of_mmagic(crop, convert):
    reference = pytest.importorskip('mmagic.evaluation')
    pred, gt = faces(3, 40)
    options = {'crop_border': crop, 'convert_to': convert}
    ours_psnr, ours_ssim = psnr(pred, gt, **options), ssim(pred, gt, **options)
    for index in range(3):
        pair = [side[index].permute(1, 2, 0).numpy() for side in (pred, gt)]
        assert ours_psnr[index] == pytest.approx(reference.psnr(*pair, **options), abs=1e-4)
        assert ours_ssim[index] == pytest.approx(reference.ssim(*pair, **options), abs=1e-4)


def test_psnr_follows_its_definition():
    gt = torch.zeros(1, 3, 16, 16)
    assert psnr(gt + 25.5, gt).item() == pytest.approx(20.0)
    assert psnr(gt, gt).item() == math.inf
    assert ssim(gt, gt).item() == pytest.approx(1.0)


def test_psnr_takes_arrays_with_channels_last():
    pred, gt = faces(2)
    arrays = [np.ascontiguousarray(side.permute(0, 2, 3, 1).numpy()) for side in (pred, gt)]
    assert torch.allclose(psnr(*arrays), psnr(pred, gt), atol=1e-9)
    assert torch.allclose(ssim(*arrays), ssim(pred, gt), atol=1e-9)
    assert torch.allclose(ssim(arrays[0][0], arrays[1][0]), ssim(pred[:1], gt[:1]), atol=1e-9)


@pytest.mark.parametrize('metric', [psnr, ssim])
@pytest.mark.parametrize('convert', [None, 'Y'])
def test_scores_are_computed_on_the_device_of_the_images(metric, convert):
    """The device ``meta`` has no values, so a copy of an image to the CPU would fail."""
    values = metric(*(torch.empty(5, 3, 20, 24, device='meta') for _ in range(2)), convert_to=convert)
    assert values.device.type == 'meta' and values.shape == (5,) and values.dtype == torch.float64


@pytest.mark.parametrize('kind', [PSNR, SSIM, MAE])
def test_batch_is_scored_in_one_computation(kind, monkeypatch):
    metric = kind()
    sizes = []
    measure = metric.measure
    monkeypatch.setattr(metric, 'measure', lambda pred, gt: sizes.append(len(pred)) or measure(pred, gt))
    evaluator = RestorationEvaluator([metric])
    pred, gt = faces(7)
    evaluator.process(samples(pred, gt))
    assert sizes == [7]
    alone = kind()
    for index in range(7):
        alone.process(None, [sample.to_dict() for sample in samples(pred[index:], gt[index:])[:1]])
    assert metric.results == [(f'face{i}', pytest.approx(value)) for i, (_, value) in enumerate(alone.results)]


def test_luma_has_the_weights_of_bt601():
    grey = torch.full((1, 3, 16, 16), 100.0)
    red, blue = grey.clone(), grey.clone()
    red[:, 0] += 10
    blue[:, 2] += 10
    drop = psnr(blue, grey, convert_to='Y') - psnr(red, grey, convert_to='Y')
    assert drop.item() == pytest.approx(20 * math.log10(65.481 / 24.966), abs=1e-4)


@pytest.mark.parametrize(
    ('options', 'message'),
    [({'crop_border': 16}, 'too large'), ({'convert_to': 'y'}, "'Y' or None"), ({'crop_border': 11}, '11x11')],
)
def test_ssim_names_unsuitable_input(options, message):
    pred, gt = faces(1)
    with pytest.raises(ValueError, match=message):
        ssim(pred, gt, **options)
    with pytest.raises(ValueError, match='the prediction has shape'):
        psnr(pred, gt[..., 1:])


def test_metrics_name_their_convention_and_average_over_images():
    pred, gt = faces(5)
    metrics = [PSNR(), PSNR(crop_border=4), SSIM(convert_to='Y')]
    evaluator = RestorationEvaluator(metrics)
    batch = samples(pred, gt)
    evaluator.process(batch[:3])
    evaluator.process(batch[3:])
    values = evaluator.evaluate(5)
    assert values == {
        'PSNR': pytest.approx(psnr(pred, gt).mean().item()),
        'PSNR_crop4': pytest.approx(psnr(pred, gt, crop_border=4).mean().item()),
        'SSIM_Y': pytest.approx(ssim(pred, gt, convert_to='Y').mean().item()),
    }


def test_low_resolution_image_is_scored_in_the_unit_range():
    pred, gt = faces(2)
    batch = samples(pred, gt, lr_img=gt.float() / 255)
    for index, sample in enumerate(batch):
        sample.output.lr_img = pred[index] / 255
    evaluator = RestorationEvaluator({'type': 'PSNR', 'pred_key': 'lr_img'})
    evaluator.process(batch)
    assert evaluator.evaluate(2) == {'PSNR_lr_img': pytest.approx(psnr(pred, gt).mean().item(), abs=1e-3)}


def test_mae_of_the_rain_equals_a_computation_by_hand():
    batch = samples(*faces(2, 2))
    truth = {
        'streak': torch.zeros(3, 2, 2),
        'transmission': torch.full((1, 2, 2), 0.5),
        'airlight': torch.ones(3, 1, 1),
    }
    wrong = {
        'streak': torch.tensor([0.0, 0.1, 0.2, 0.3]).view(1, 2, 2).expand(3, -1, -1),
        'transmission': torch.tensor([0.4, 0.6, 0.5, 0.9]).view(1, 2, 2),
        'airlight': torch.tensor([1.0, 0.7, 0.4]).view(3, 1, 1),
    }
    for sample, error in zip(batch, (0, 1), strict=True):
        for key, value in truth.items():
            sample.set_data({key: value})
            sample.output.set_data({key: wrong[key] if error else value})
    evaluator = RestorationEvaluator([{'type': 'MAE', 'pred_key': key} for key in truth])
    evaluator.process(batch)
    expected = {'MAE_streak': 0.15 / 2, 'MAE_transmission': 0.15 / 2, 'MAE_airlight': 0.3 / 2}
    assert evaluator.evaluate(2) == pytest.approx(expected, abs=1e-6)
    assert [dict(metric.per_image)['face0'] for metric in evaluator.metrics] == [0, 0, 0]


def test_mae_of_the_face_is_in_the_unit_range():
    pred, gt = faces(2)
    evaluator = RestorationEvaluator([MAE()])
    evaluator.process(samples(pred, gt))
    assert evaluator.evaluate(2) == {'MAE': pytest.approx((pred.double() - gt).abs().mean().item() / 255)}


def test_shapes_that_would_broadcast_are_refused():
    batch = samples(*faces(1), airlight=torch.zeros(1, 3, 1, 1))
    batch[0].output.airlight = torch.zeros(3, 8, 8)
    evaluator = RestorationEvaluator([MAE(pred_key='airlight')])
    with pytest.raises(ConfigError, match="the prediction of 'face0' has shape 3x8x8, its ground truth 3x1x1"):
        evaluator.process(batch)


def test_images_of_different_sizes_are_scored_one_by_one():
    small, large = faces(1, 16), faces(1, 24)
    evaluator = RestorationEvaluator([PSNR()])
    evaluator.process(samples(*small) + samples(*large))
    expected = (psnr(*small) + psnr(*large)).item() / 2
    assert evaluator.evaluate(2)['PSNR'] == pytest.approx(expected)


def test_missing_prediction_of_a_required_metric_is_an_error():
    pred, gt = faces(1)
    evaluator = RestorationEvaluator([PSNR(pred_key='lr_img')])
    with pytest.raises(ConfigError, match=r"predicts no 'lr_img', only pred_img"):
        evaluator.process(samples(pred, gt))
    evaluator = RestorationEvaluator([PSNR(pred_key='lr_img', optional=True), ParsingMIoU(optional=True)])
    evaluator.process(samples(pred, gt))
    assert evaluator.evaluate(1) == {}


def test_two_metrics_with_one_key_are_refused():
    evaluator = RestorationEvaluator([PSNR(), PSNR()])
    evaluator.process(samples(*faces(1)))
    with pytest.raises(ConfigError, match="two metrics have the key 'PSNR'"):
        evaluator.evaluate(1)


def test_mmagic_metrics_run_together_with_own_metrics():
    pytest.importorskip('mmagic.evaluation')
    pred, gt = faces(4, 32)
    evaluator = RestorationEvaluator([
        {'type': 'PSNR'},
        {'type': 'PSNR', 'convert_to': 'Y'},
        {'type': 'mmagic.PSNR', 'prefix': 'mmagic'},
        {'type': 'mmagic.PSNR', 'prefix': 'mmagic_Y', 'convert_to': 'Y'},
        {'type': 'mmagic.SSIM', 'prefix': 'mmagic'},
        {'type': 'mmagic.MAE'},
        {'type': 'mmagic.SNR'},
        {'type': 'mmagic.MultiScaleStructureSimilarity', 'fake_nums': 4, 'fake_key': 'fake_img'},
    ])  # fmt: skip
    for _ in range(2):  # every validation starts anew
        evaluator.process(samples(pred, gt), {'inputs': None})
        values = evaluator.evaluate(4)
        assert values['mmagic/PSNR'] == pytest.approx(values['PSNR'], abs=1e-4)
        assert values['mmagic_Y/PSNR'] == pytest.approx(values['PSNR_Y'], abs=1e-4)
        assert values['mmagic/SSIM'] == pytest.approx(ssim(pred, gt).mean().item(), abs=1e-4)
        assert {'MAE', 'SNR'} <= values.keys()


def parsing_samples(pred, gt, valid=None):
    """Samples of label maps (h x w) given as lists, scored as one-hot."""
    made = []
    for index in range(len(pred)):
        hot = [torch.nn.functional.one_hot(torch.tensor(side[index]), 19).permute(2, 0, 1).float()
               for side in (pred, gt)]  # fmt: skip
        sample = BaseDataElement(parsing=hot[1], output=BaseDataElement(parsing=hot[0]))
        if valid is not None:
            sample.parsing_labels = torch.tensor([label in valid for label in range(19)])
        made.append(sample)
    return made


def test_miou_equals_a_count_by_hand():
    evaluator = RestorationEvaluator([ParsingMIoU()])
    # Label 0: 2 of 3; label 1: 3 of 5; label 13: 0 of 1.
    evaluator.process(parsing_samples([[[0, 0, 1, 1]], [[1, 1, 0, 1]]], [[[0, 0, 1, 1]], [[1, 13, 1, 0]]]))
    both, union = {0: 2, 1: 3, 13: 0}, {0: 4, 1: 6, 13: 1}
    expected = sum(both[label] / union[label] for label in both) / 3
    assert evaluator.evaluate(2) == {'mIoU': pytest.approx(expected)}


def test_miou_ignores_unannotated_labels():
    evaluator = RestorationEvaluator([ParsingMIoU()])
    batch = parsing_samples([[[0, 1, 13, 1]]], [[[0, 1, 1, 13]]], valid=(0, 1))
    # Where hair (13) is predicted, the best annotated label counts. The pixel with the ground truth hair is ignored.
    batch[0].output.parsing[1] += 0.5
    evaluator.process(batch)
    assert evaluator.evaluate(1) == {'mIoU': pytest.approx(1.0)}


def test_miou_refuses_sets_with_different_labels():
    evaluator = RestorationEvaluator([ParsingMIoU()])
    evaluator.process(parsing_samples([[[0]]], [[[0]]], (0, 1)) + parsing_samples([[[0]]], [[[0]]], (0, 2)))
    with pytest.raises(ConfigError, match='different annotated labels'):
        evaluator.evaluate(2)


def test_per_image_file_is_read_back_equal(tmp_path):
    pred, gt = faces(3)
    evaluator = RestorationEvaluator([PSNR(), SSIM(), PSNR(pred_key='lr_img', optional=True)],
                                     per_image=str(tmp_path / 'out' / 'per_image.csv'))  # fmt: skip
    evaluator.process(samples(pred, gt))
    evaluator.evaluate(3)
    table = read_csv(tmp_path / 'out' / 'per_image.csv')
    assert list(table) == ['face0', 'face1', 'face2']
    for index, row in enumerate(table.values()):
        assert row == {'PSNR': pytest.approx(psnr(pred, gt)[index].item(), abs=1e-5),
                       'SSIM': pytest.approx(ssim(pred, gt)[index].item(), abs=1e-5)}  # fmt: skip


@pytest.mark.parametrize(
    ('text', 'message'),
    [(None, 'no per-image file'), ('PSNR\n1\n', 'no column "name"'), ('name,PSNR\na,1\na,2\n', 'two rows have'),
     ('name,PSNR\na,x\n', 'line 2'), ('name,PSNR\na\n', 'line 2'), (b'name,PSNR\n\xe4,1\n', 'not CSV in UTF-8'),
     (f'name,PSNR\na,{"1" * 200_000}\n', 'not CSV in UTF-8')],
)  # fmt: skip
def test_invalid_per_image_file_is_named(tmp_path, text, message):
    path = tmp_path / 'per_image.csv'
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError, match=message) as caught:
        read_csv(path)
    assert str(path) in str(caught.value)


class AbsoluteError:
    """A metric in the style of mmagic: it first gets the network and the data, and is evaluated without a size."""

    fake_nums = 2

    def prepare(self, module, dataloader):
        self.seen = (module, dataloader)

    def process(self, data_batch, data_samples):
        self.errors = [(sample['fake_img'] - sample['gt_img']).abs().mean() for sample in data_samples]

    def evaluate(self):
        assert self.size == len(self.errors)
        return {'error': torch.stack(self.errors).mean()}


def test_generative_metric_is_prepared_and_gets_the_image():
    class Loop:
        evaluator = RestorationEvaluator([PSNR()])
        dataloader = 'faces'

    class Runner:
        model = 'network'
        val_loop = test_loop = Loop

    metric = AbsoluteError()
    Loop.evaluator.metrics.append(metric)
    for before in (PrepareMetricsHook().before_val, PrepareMetricsHook().before_test):
        metric.seen = None
        before(Runner)
        assert metric.seen == ('network', 'faces')
    pred, gt = faces(2)
    Loop.evaluator.process(samples(pred, gt))
    error = Loop.evaluator.evaluate(2)['error']
    assert isinstance(error, float)
    assert error == pytest.approx((pred - gt).abs().mean().item(), rel=1e-5)


@pytest.mark.parametrize('metric', [PSNR, SSIM])
@pytest.mark.parametrize('border', [-1, 'x', 1.5, True])
def test_invalid_crop_border_is_refused(metric: type, border: object) -> None:
    with pytest.raises(ConfigError, match=f'^{metric.name}: crop_border must be a non-negative integer, got'):
        metric(crop_border=border)


@pytest.mark.parametrize('metric', [PSNR, SSIM, MSSSIM])
def test_error_for_images_smaller_than_the_border_is_one_line(metric: type) -> None:
    image = torch.zeros(3, 32, 32)
    with pytest.raises(ConfigError, match=f'^{metric.name}_crop16: .*(too large|images)'):
        metric(crop_border=16).process({}, [{'name': 'a', 'gt_img': image, 'output': {'pred_img': image}}])
