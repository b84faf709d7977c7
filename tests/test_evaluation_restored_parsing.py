"""Parsing of the restored face by one fixed parser."""

import pytest
import torch
from mmengine.structures import BaseDataElement
from torch import nn

from rainrestore.checkpoints import save_safetensors
from rainrestore.errors import CheckpointError, ConfigError
from rainrestore.evaluation import RestorationEvaluator, RestoredParsingMIoU
from rainrestore.evaluation.metrics import read_csv
from rainrestore.image_io import list_images, read_image
from rainrestore.models.networks import FaceParsingUNet
from rainrestore.physics import shrink
from rainrestore.registry import MODELS

NONE_LEFT_OUT = tuple(range(19))


@pytest.fixture
def red_parser():
    """A parser that reads the label from the red value: label n where red is n / 18."""

    class RedParser(nn.Module):
        in_channels = 3

        def forward(self, image):
            labels = (image[:, :1] * 18).round()
            return -(labels - torch.arange(19).view(1, 19, 1, 1)).abs()

    MODELS.register_module(name='RedParser', module=RedParser)
    yield {'type': 'RestoredParsingMIoU', 'parser': {'type': 'RedParser'}}
    MODELS.module_dict.pop('RedParser')


def face(labels) -> torch.Tensor:
    """An image, 4 times as large as the label map, whose red value encodes the label for :func:`red_parser`."""
    red = torch.tensor(labels).double().repeat_interleave(4, 0).repeat_interleave(4, 1) / 18 * 255
    return torch.stack([red, torch.zeros_like(red), torch.zeros_like(red)]).float()


def sample(restored, truth, true_face=None, valid=NONE_LEFT_OUT, name='face'):
    hot = nn.functional.one_hot(torch.tensor(truth), 19).permute(2, 0, 1).float()
    made = BaseDataElement(metainfo={'name': name}, parsing=hot, gt_img=face(true_face or truth).round().byte())
    made.parsing_labels = torch.tensor([label in valid for label in range(19)])
    made.output = BaseDataElement(pred_img=face(restored))
    return made


def blocks(*rows):
    """Label maps with cells of 8 pixels, so wide that the blur of the reduction stays inside each cell."""
    return [[label for label in row for _ in range(8)] for row in rows for _ in range(8)]


def test_scores_equal_a_computation_by_hand(red_parser):
    evaluator = RestorationEvaluator([red_parser])
    # First face: label 0 in 1 of 2 cells, label 1 in 2 of 3. Second face: all cells are correct.
    evaluator.process([
        sample(blocks([0, 1], [1, 1]), blocks([0, 0], [1, 1]), name='half'),
        sample(blocks([0, 1], [1, 0]), blocks([0, 1], [1, 0]), name='right'),
    ])  # fmt: skip
    values = evaluator.evaluate(2)
    per_image = dict(evaluator.metrics[0].per_image)
    assert per_image == {'half': pytest.approx((1 / 2 + 2 / 3) / 2), 'right': 1}
    assert values == {'mIoU_restored': pytest.approx(19 / 24), 'mIoU_ceiling': 1}


def test_only_chosen_labels_count(red_parser, tmp_path):
    chosen = (['background'], ['skin'], ['skin', 'hair'])
    metrics = [red_parser, *({**red_parser, 'labels': labels} for labels in chosen)]
    evaluator = RestorationEvaluator(metrics, str(tmp_path / 'per_image.csv'))
    # Label 0 (background) is in 1 of 2 cells, label 1 (skin) in 2 of 3, label 13 (hair) in none.
    evaluator.process([sample(blocks([0, 1], [1, 1]), blocks([0, 0], [1, 1]))])
    restored = {
        'mIoU_restored': (1 / 2 + 2 / 3) / 2,
        'mIoU_restored_background': 1 / 2,
        'mIoU_restored_skin': 2 / 3,
        'mIoU_restored_skin_hair': 2 / 3,
    }
    ceilings = dict.fromkeys((key.replace('restored', 'ceiling') for key in restored), 1)
    assert evaluator.evaluate(1) == pytest.approx(restored | ceilings)
    assert read_csv(tmp_path / 'per_image.csv') == {'face': pytest.approx(restored, abs=1e-6)}


@pytest.mark.parametrize(
    ('labels', 'message'),
    [(['l_eys'], r"no label 'l_eys' \(did you mean 'l_eye'\?\)"), ([], 'labels is empty'), ((), 'labels is empty')],
)
def test_unknown_labels_are_named(labels, message):
    with pytest.raises(ConfigError, match=message):
        RestoredParsingMIoU(labels=labels)


def test_uniform_faces_are_exact(red_parser):
    evaluator = RestorationEvaluator([red_parser])
    evaluator.process([
        sample(blocks([3]), blocks([3])),
        sample(blocks([3]), blocks([4]), true_face=blocks([4])),
        # the parser is wrong for this ground truth
        sample(blocks([5]), blocks([5]), true_face=blocks([6])),
    ])  # fmt: skip
    assert evaluator.evaluate(3) == pytest.approx({'mIoU_restored': 2 / 3, 'mIoU_ceiling': 2 / 3})


def test_unannotated_labels_are_ignored(red_parser):
    evaluator = RestorationEvaluator([red_parser])
    # The parser predicts 7, which is not annotated, instead of 6. The best annotated score counts, which is 6.
    evaluator.process([sample(blocks([7]), blocks([6]), valid=(0, 6))])
    assert evaluator.evaluate(1)['mIoU_restored'] == 1
    evaluator.process([sample(blocks([6]), blocks([7]), valid=(0, 6))])
    assert evaluator.evaluate(1) == {}  # no pixel has a known ground truth


def test_missing_data_are_skipped_if_optional_and_named_if_required(red_parser):
    here = sample(blocks([3]), blocks([3]), name='here')
    bare = sample(blocks([3]), blocks([3]), name='bare')
    unknown = sample(blocks([3]), blocks([3]), name='unknown')
    colours = sample(blocks([3]), blocks([3]), name='colours')
    del bare.output.pred_img, unknown.parsing
    colours.parsing = torch.zeros(3, 8, 8)
    for wrong, message in ((bare, "predicts no 'pred_img'"), (unknown, "data has no 'parsing'"), (colours, 'onehot')):
        with pytest.raises(ConfigError, match=message):
            RestorationEvaluator([red_parser]).process([wrong])
    evaluator = RestorationEvaluator([{**red_parser, 'optional': True}])
    evaluator.process([here, bare, unknown, colours])
    assert evaluator.evaluate(4) == {'mIoU_restored': 1, 'mIoU_ceiling': 1}
    assert [name for name, value in evaluator.metrics[0].per_image if value == value] == ['here']


def test_bundled_parser_gets_the_reduced_face_twice(portraits):
    metric = RestoredParsingMIoU()
    image = read_image(list_images(portraits / 'test' / 'img')[0])
    small = torch.from_numpy(shrink(image, 4)).permute(2, 0, 1)[None]
    with torch.no_grad():
        expected = metric.parser(torch.cat((small, small), 1))
    found = metric.parse(torch.from_numpy(image.copy()).permute(2, 0, 1)[None] / 255, (32, 32))
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=0)
    assert not any(parameter.requires_grad for parameter in metric.parser.parameters())


def test_weights_of_another_parser_are_refused(tmp_path):
    parser = dict(type='FaceParsingUNet', base_channels=4)
    with pytest.raises(CheckpointError, match='another network'):
        RestoredParsingMIoU(parser, 'rainrestore://fpm_x4')
    torch.manual_seed(0)
    network = FaceParsingUNet(base_channels=4)
    state = {f'face_parser.{key}': value for key, value in network.state_dict().items()}
    metric = RestoredParsingMIoU(parser, str(save_safetensors(state, tmp_path / 'parser.safetensors')))
    torch.testing.assert_close(metric.parser.head.weight, network.head.weight, rtol=0, atol=0)
    with pytest.raises(CheckpointError, match='no checkpoint at'):
        RestoredParsingMIoU(parser, '/no/such.pth')
