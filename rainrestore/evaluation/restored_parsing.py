"""Whether a face parser finds the parts of the face where they are, in the restored picture."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rainrestore.checkpoints import load_weights
from rainrestore.errors import ConfigError
from rainrestore.evaluation.functional import PEAK
from rainrestore.evaluation.metrics import HAS, PREDICTS, Sample, SampleMetric, annotated, field, label_overlap
from rainrestore.labels import NUM_LABELS
from rainrestore.registry import METRICS, MODELS

BUNDLED_PARSER: dict[str, Any] = {'type': 'FaceParsingUNet', 'base_channels': 16, 'out_channels': NUM_LABELS}
BUNDLED_WEIGHTS = 'rainrestore://fpm_x4'


@METRICS.register_module()
class RestoredParsingMIoU(SampleMetric):
    """Mean IoU of one fixed parser on the restored face, against the true parsed face.

    The same parser is used for every method, also for methods without a parser. It sees the restored face shrunk to
    the size of ``parsing`` (antialiased bicubic, the step that makes J of a face), at the place of I and of J^ alike,
    since no rain is left to be seen. A face scores the mean IoU over the annotated labels that its truth or its
    parsing shows; the metric is the mean over the faces, which a paired bootstrap needs. (``ParsingMIoU`` pools the
    pixels of all faces first: the two do not compare.)

    ``mIoU_ceiling`` is the same with the true face: the value of a perfect restoration.

    Limits: the parser works at low resolution (32x32), so detail that a restoration adds or loses above it is not
    judged. It was trained on rainy faces with their de-rained J^, so a clean one twice is new to it (giving it the
    clean face under its own rain again was tried, and told methods apart no better), and a method may score above the
    ceiling. A ceiling near the score of the plain enlarged input says that the parser is too weak to tell methods apart
    on these faces: give a better one. The value is the parser's as much as the method's: quote the parser with it.

    Args:
        parser: Config of a network that takes N x C x h x w in [0, 1], C = 3 or 6 by its ``in_channels``, and gives
            N x 19 x h x w scores; None for the bundled face parser.
        checkpoint: Where its weights are, under ``face_parser.``: a file or ``rainrestore://NAME``. None for the
            bundled parser's own, or for a ``parser`` that needs none.
        optional: Leave out, without an error, images that are not restored or whose parsing is not known.
        collect_device: As for :class:`SampleMetric`.
        prefix: As for :class:`SampleMetric`.

    Keys: ``mIoU_restored``, ``mIoU_ceiling``.

    Raises:
        CheckpointError: The weights are missing, damaged or of another network; at building.
    """

    key = 'mIoU_restored'
    ceiling_key = 'mIoU_ceiling'

    def __init__(
        self,
        parser: Mapping[str, Any] | None = None,
        checkpoint: str | None = None,
        optional: bool = False,
        collect_device: str = 'gpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device, prefix)
        self.optional = optional
        slots = nn.ModuleDict({'face_parser': MODELS.build(dict(parser or BUNDLED_PARSER))})
        if parser is None and checkpoint is None:
            checkpoint = BUNDLED_WEIGHTS
        if checkpoint is not None:
            load_weights(slots, checkpoint)
        self.parser: Any = slots.requires_grad_(False).eval()['face_parser']

    def process(self, data_batch: Any, data_samples: Sequence[Sample]) -> None:
        """Add name, score and ceiling of each image."""
        self.results.extend((str(sample.get('name', '')), *self._scores(sample)) for sample in data_samples)

    def compute_metrics(self, results: list[Any]) -> dict[str, float]:
        """The means over the images that have a value; no key when none has."""
        found = super().compute_metrics([(name, value) for name, _, value in results])
        ceiling = {self.ceiling_key: found[self.key]} if found else {}
        # Last: it leaves the restored faces' values in per_image.
        return super().compute_metrics([(name, value) for name, value, _ in results]) | ceiling

    def parse(self, faces: Tensor, size: Sequence[int]) -> Tensor:
        """(N, 3, H, W) RGB in [0, 1] -> scores (N, 19, h, w) at ``size`` (h, w)."""
        small = F.interpolate(faces.float(), tuple(size), mode='bicubic', antialias=True).clamp(0, 1)
        with torch.no_grad():
            return self.parser(small.repeat(1, self.parser.in_channels // 3, 1, 1))

    def _scores(self, sample: Sample) -> tuple[float, float]:
        output = sample.get('output', {})
        if self.optional and ('pred_img' not in output or 'parsing' not in sample):
            return math.nan, math.nan
        face = field('RestoredParsingMIoU', output, 'pred_img', PREDICTS).detach()
        truth = field('RestoredParsingMIoU', sample, 'parsing', HAS).float().cpu()
        if len(truth) != NUM_LABELS:
            if self.optional:
                return math.nan, math.nan
            raise ConfigError(
                f'RestoredParsingMIoU needs shares of {NUM_LABELS} labels (ParsingTarget(kind="onehot")), '
                f'not {len(truth)} channels'
            )
        valid = annotated(sample, NUM_LABELS)
        restored = self._score(face.cpu().float() / PEAK, truth, valid)
        if 'gt_img' not in sample:
            return restored, math.nan
        return restored, self._score(sample['gt_img'].cpu().float() / PEAK, truth, valid)

    def _score(self, face: Tensor, truth: Tensor, valid: Tensor) -> float:
        parsed = self.parse(face[None], truth.shape[-2:])[0]
        both, union = label_overlap(parsed, truth, valid)
        seen = union > 0
        return (both[seen].double() / union[seen]).mean().item() if seen.any() else math.nan
