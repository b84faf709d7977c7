"""The parsing accuracy of restored faces: mIoU between the parsing of the restored face and the true parsing."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rainrestore.checkpoints import load_weights
from rainrestore.errors import ConfigError
from rainrestore.evaluation.functional import PEAK
from rainrestore.evaluation.metrics import HAS, PREDICTS, Sample, SampleMetric, annotated, face_iou, field
from rainrestore.labels import LABELS, NUM_LABELS
from rainrestore.registry import METRICS, MODELS
from rainrestore.suggest import did_you_mean

BUNDLED_PARSER: dict[str, Any] = {'type': 'FaceParsingUNet', 'base_channels': 16, 'out_channels': NUM_LABELS}
BUNDLED_WEIGHTS = 'rainrestore://fpm_x4'


@METRICS.register_module()
class RestoredParsingMIoU(SampleMetric):
    """Mean IoU between the parsing of the restored face by one fixed parser and the true parsing.

    All methods, also methods without a parser, are scored with the same parser. Its input is the restored face, shrunk
    to the size of ``parsing`` (antialiased bicubic), for both I and J^. The score of a face is the mean IoU over the
    annotated labels in the true or the predicted parsing. The metric is the mean over the faces, as a paired bootstrap
    requires. It is not comparable with ``ParsingMIoU``, which sums the pixels of all faces first.

    ``mIoU_ceiling`` is the same for the true face: the score of a perfect restoration.

    Limits: the parser works at low resolution (32x32), so finer detail has no effect. It was trained on rainy faces
    with their predicted J^, not on clean faces, so a method may score above the ceiling. (With the rain of the sample
    added again to the restored face, the metric did not separate the methods better.) If the ceiling is near the score
    of the enlarged input, the parser is too weak to separate methods on these faces: use a better parser. The value
    depends on the parser: report it with the value.

    Args:
        parser: Config of a network that maps N x C x h x w in [0, 1], with C = 3 or 6 (``in_channels``), to N x 19 x h
            x w scores; None for the bundled face parser.
        checkpoint: Weights of the parser, with the prefix ``face_parser.``: a file or ``rainrestore://NAME``. None for
            the weights of the bundled parser, or for a ``parser`` without weights.
        labels: Names of the labels to average, such as ``('l_eye', 'r_eye')``; None for all.
        **options: Arguments of :class:`SampleMetric`.

    Keys: ``mIoU_restored``, ``mIoU_ceiling``; with ``labels``, their names follow: ``mIoU_restored_l_eye_r_eye``.

    Raises:
        CheckpointError: The weights are missing, damaged or belong to another network (in the constructor).
        ConfigError: Empty ``labels``, an unknown label, a missing field, or a colour parsing.
    """

    key = 'mIoU_restored'
    ceiling_key = 'mIoU_ceiling'

    def __init__(
        self,
        parser: Mapping[str, Any] | None = None,
        checkpoint: str | None = None,
        labels: Sequence[str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if labels is not None and not labels:
            raise ConfigError('RestoredParsingMIoU: labels is empty; name at least one label, or None for all')
        if unknown := [name for name in labels or () if name not in LABELS]:
            raise ConfigError(
                f'RestoredParsingMIoU: no label {unknown[0]!r}{did_you_mean(unknown[0], LABELS)}; the labels are '
                f'{", ".join(LABELS)}'
            )
        if labels is not None:
            # Keys of their own, so that metrics of several components can be in one evaluator.
            self.key, self.ceiling_key = ('_'.join((key, *labels)) for key in (self.key, self.ceiling_key))
        self.chosen = torch.tensor([labels is None or name in labels for name in LABELS])
        slots = nn.ModuleDict({'face_parser': MODELS.build(dict(parser or BUNDLED_PARSER))})
        if parser is None and checkpoint is None:
            checkpoint = BUNDLED_WEIGHTS
        if checkpoint is not None:
            load_weights(slots, checkpoint)
        self.parser: Any = slots.requires_grad_(False).eval()['face_parser']

    def process(self, data_batch: Any, data_samples: Sequence[Sample]) -> None:
        """Add the name, the score and the ceiling of each image."""
        self.results.extend((str(sample.get('name', '')), *self._scores(sample)) for sample in data_samples)

    def compute_metrics(self, results: list[Any]) -> dict[str, float]:
        """The means over the images whose value is not NaN; an empty dict if there are none."""
        found = super().compute_metrics([(name, value) for name, _, value in results])
        ceiling = {self.ceiling_key: found[self.key]} if found else {}
        # The last call sets per_image to the scores of the restored faces.
        return super().compute_metrics([(name, value) for name, value, _ in results]) | ceiling

    def parse(self, faces: Tensor, size: Sequence[int]) -> Tensor:
        """(N, 3, H, W) RGB in [0, 1] -> scores (N, 19, h, w) at ``size`` (h, w)."""
        small = F.interpolate(faces.float(), tuple(size), mode='bicubic', antialias=True).clamp(0, 1)
        with torch.no_grad():
            return self.parser(small.repeat(1, self.parser.in_channels // 3, 1, 1))

    def _scores(self, sample: Sample) -> tuple[float, float]:
        output = sample.get('output', {})
        if self.optional and ('pred_img' not in output or len(sample.get('parsing', ())) != NUM_LABELS):
            return math.nan, math.nan
        face = field('RestoredParsingMIoU', output, 'pred_img', PREDICTS).detach()
        truth = field('RestoredParsingMIoU', sample, 'parsing', HAS).float().cpu()
        if len(truth) != NUM_LABELS:
            raise ConfigError(
                f'RestoredParsingMIoU needs {NUM_LABELS} labels (ParsingTarget(kind="onehot")), '
                f'got {len(truth)} channels'
            )
        valid = annotated(sample, NUM_LABELS)
        restored = self._score(face.cpu().float() / PEAK, truth, valid)
        if 'gt_img' not in sample:
            return restored, math.nan
        return restored, self._score(sample['gt_img'].cpu().float() / PEAK, truth, valid)

    def _score(self, face: Tensor, truth: Tensor, valid: Tensor) -> float:
        parsed = self.parse(face[None], truth.shape[-2:])[0]
        return face_iou(parsed, truth, valid, self.chosen)
