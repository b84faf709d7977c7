"""The test faces of an audit, and the scores of their restorations."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from rainrestore.errors import ConfigError
from rainrestore.evaluation import LPIPS, PSNR, SSIM
from rainrestore.evaluation.metrics import PairMetric, Sample, annotated, label_overlap
from rainrestore.labels import NUM_LABELS

BATCH = 16
#: The PSNR of a picture without any error, which would be infinite.
PERFECT_PSNR = 100.0


class TestFaces:
    """Samples of a data set, read once.

    Args:
        dataset: Gives ``dict(inputs, data_samples)``, as a test's data set does.
        faces: Number of faces, the first ones; None for all.

    Raises:
        ConfigError: Fewer than two faces, or pictures of different sizes.
    """

    # pytest would collect it as a test.
    __test__ = False

    def __init__(self, dataset: Dataset, faces: int | None = None) -> None:
        available = len(dataset)  # type: ignore[arg-type]
        self.items: list[dict[str, Any]] = [dataset[index] for index in range(min(available, faces or available))]
        if len(self.items) < 2:
            raise ConfigError(f'an audit compares faces and needs at least two, the data set has {len(self.items)}')
        sizes = sorted({tuple(item['inputs'].shape) for item in self.items})
        if len(sizes) > 1:
            raise ConfigError(f'an audit needs pictures of one size, the data set has {sizes[0]} and {sizes[1]}')

    def __len__(self) -> int:
        return len(self.items)

    def batches(self, shift: int = 0) -> Iterator[dict[str, Any]]:
        """Batches of at most 16 faces in order; each face is the one ``shift`` places further (cyclic).

        With a shift of 1 no face is at its own place: a derangement.
        """
        count = len(self.items)
        for start in range(0, count, BATCH):
            chosen = [self.items[(place + shift) % count] for place in range(start, min(start + BATCH, count))]
            yield {
                'inputs': [item['inputs'] for item in chosen],
                'data_samples': [item['data_samples'] for item in chosen],
            }


@torch.inference_mode()
def predict(model: nn.Module, batch: dict[str, Any]) -> list[dict[str, Any]]:
    """Restore a batch; the samples as dictionaries, with ``output``."""
    model_any: Any = model
    return [sample.to_dict() for sample in model_any(**model_any.data_preprocessor(batch), mode='predict')]


class Scorer:
    """The scores of a restorer, face by face.

    ``PSNR`` (dB, at most 100), ``SSIM`` and, where it is installed, ``LPIPS`` of ``pred_img``. Without ``pred_img``,
    ``IoU`` of ``parsing``: the mean over the annotated labels that the truth or the parsing of the face shows. Without
    both, ``PSNR_lr_img`` and ``SSIM_lr_img``.

    Args:
        output: The predictions of the restorer, by name.
        perceptual: Whether LPIPS is wanted, which takes longer than the others.

    Attributes:
        keys: The scores; the first decides on the gain of a slot.
        missing: Why LPIPS is not measured, or None.

    Raises:
        ConfigError: The restorer predicts none of these.
    """

    def __init__(self, output: dict[str, Any], perceptual: bool = True) -> None:
        self.missing: str | None = None
        self._metrics: list[PairMetric] = []
        parsed = len(output.get('parsing', ())) == NUM_LABELS
        picture = next((key for key in ('pred_img', *(() if parsed else ('lr_img',))) if key in output), None)
        if picture is not None:
            self._metrics = [PSNR(pred_key=picture), SSIM(pred_key=picture)]
        elif not parsed:
            raise ConfigError(
                f'an audit needs a restored picture, a parsing of {NUM_LABELS} labels or a small picture without rain; '
                f'the network predicts {", ".join(output) or "nothing"}'
            )
        if picture == 'pred_img' and perceptual:
            try:
                self._metrics.append(LPIPS())
            except ConfigError as error:
                self.missing = str(error)
        self.keys = [metric.key for metric in self._metrics] or ['IoU']

    def __call__(self, samples: Sequence[Sample]) -> dict[str, list[float]]:
        """Score -> a value a face."""
        if not self._metrics:
            return {'IoU': [_face_iou(sample) for sample in samples]}
        scores = {metric.key: metric.score(samples) for metric in self._metrics}
        key = self.keys[0]
        scores[key] = [min(value, PERFECT_PSNR) for value in scores[key]]
        return scores


def higher_is_better(key: str) -> bool:
    """Of a score."""
    return not key.startswith('LPIPS')


def unit(key: str) -> str:
    """The unit of a score: dB, or the name of the score."""
    return 'dB' if key.startswith('PSNR') else key


def _face_iou(sample: Sample) -> float:
    truth: Tensor = sample['parsing'].float().cpu()
    both, union = label_overlap(sample['output']['parsing'].float().cpu(), truth, annotated(sample, len(truth)))
    return float((both[union > 0].double() / union[union > 0]).mean())
