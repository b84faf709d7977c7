"""The test faces of an audit, and the scores of their restorations."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from mmengine.dataset import pseudo_collate
from torch import Tensor, nn
from torch.utils.data import Dataset

from rainrestore.errors import ConfigError
from rainrestore.evaluation import LPIPS, PSNR, SSIM
from rainrestore.evaluation.metrics import PairMetric, Sample, annotated, face_iou
from rainrestore.labels import NUM_LABELS

BATCH = 16
#: Upper bound of the PSNR, which is infinite for equal images.
PERFECT_PSNR = 100.0


class TestFaces:
    """Samples of a data set, read once.

    Args:
        dataset: A test data set; its items are ``dict(inputs, data_samples)``.
        faces: Number of faces, from the first; None for all.

    Raises:
        ConfigError: Fewer than two faces, or images of different sizes.
    """

    # Otherwise pytest would collect the class as a test.
    __test__ = False

    def __init__(self, dataset: Dataset, faces: int | None = None) -> None:
        available = len(dataset)  # type: ignore[arg-type]
        self.items: list[dict[str, Any]] = [dataset[index] for index in range(min(available, faces or available))]
        if len(self.items) < 2:
            raise ConfigError(f'an audit needs at least two faces, the data set has {len(self.items)}')
        sizes = sorted({tuple(item['inputs'].shape) for item in self.items})
        if len(sizes) > 1:
            raise ConfigError(f'an audit needs images of one size, the data set has {sizes[0]} and {sizes[1]}')

    def __len__(self) -> int:
        return len(self.items)

    def batches(self, shift: int = 0) -> Iterator[dict[str, Any]]:
        """Batches of at most 16 faces, in order: from face ``shift`` to the last, then from the first to the others."""
        count = len(self.items)
        for start in range(0, count, BATCH):
            chosen = [self.items[(place + shift) % count] for place in range(start, min(start + BATCH, count))]
            yield pseudo_collate(chosen)


@torch.inference_mode()
def predict(model: nn.Module, batch: dict[str, Any]) -> list[dict[str, Any]]:
    """Restore a batch; returns the samples as dicts, with ``output``."""
    model_any: Any = model
    return [sample.to_dict() for sample in model_any(**model_any.data_preprocessor(batch), mode='predict')]


class Scorer:
    """Computes the scores of a restorer for each face.

    With ``pred_img``: ``PSNR`` (dB, at most 100), ``SSIM`` and, if installed, ``LPIPS``. Otherwise with ``parsing``:
    ``IoU``, the mean over the annotated labels in the true or the predicted parsing of the face. Otherwise with
    ``lr_img``: ``PSNR_lr_img`` and ``SSIM_lr_img``.

    Args:
        output: The predictions of the restorer, by name.
        perceptual: Whether to compute LPIPS, which is slower than the other scores.

    Attributes:
        keys: Names of the scores; the first determines the gain of a slot.
        missing: The reason for which LPIPS is not measured, or None.

    Raises:
        ConfigError: The restorer has none of these outputs.
    """

    def __init__(self, output: dict[str, Any], perceptual: bool = True) -> None:
        self.missing: str | None = None
        self._metrics: list[PairMetric] = []
        parsed = len(output.get('parsing', ())) == NUM_LABELS
        image_key = next((key for key in ('pred_img', *(() if parsed else ('lr_img',))) if key in output), None)
        if image_key is not None:
            self._metrics = [PSNR(pred_key=image_key), SSIM(pred_key=image_key)]
        elif not parsed:
            raise ConfigError(
                f'an audit needs pred_img, parsing with {NUM_LABELS} labels or lr_img; the network predicts '
                f'{", ".join(output) or "nothing"}'
            )
        if image_key == 'pred_img' and perceptual:
            try:
                self._metrics.append(LPIPS())
            except ConfigError as error:
                self.missing = str(error)
        self.keys = [metric.key for metric in self._metrics] or ['IoU']

    def __call__(self, samples: Sequence[Sample]) -> dict[str, list[float]]:
        """Score -> one value per face."""
        if not self._metrics:
            return {'IoU': [_face_iou(sample) for sample in samples]}
        scores = {metric.key: metric.score(samples) for metric in self._metrics}
        key = self.keys[0]
        scores[key] = [min(value, PERFECT_PSNR) for value in scores[key]]
        return scores


def unit(key: str) -> str:
    """The unit of a score: dB, or the name of the score."""
    return 'dB' if key.startswith('PSNR') else key


def _face_iou(sample: Sample) -> float:
    truth: Tensor = sample['parsing'].float().cpu()
    valid = annotated(sample, len(truth))
    return face_iou(sample['output']['parsing'].float().cpu(), truth, valid, valid)
