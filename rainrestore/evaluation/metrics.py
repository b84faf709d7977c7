"""Metrics on mmengine's ``BaseMetric``, for ``val_evaluator`` and ``test_evaluator`` of a config.

The key of a metric states its convention: ``PSNR`` is RGB without a border crop, ``PSNR_Y`` the luma, ``PSNR_crop4``
RGB without the four outer pixels, ``PSNR_lr_img`` the PSNR of J, the small rain-free image.
"""

import csv
import io
import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from mmengine.evaluator import BaseMetric
from torch import Tensor

from rainrestore.errors import ConfigError
from rainrestore.evaluation.functional import MSSSIM_WEIGHTS, PEAK, check_scales, msssim, psnr, ssim
from rainrestore.files import whole_file
from rainrestore.labels import NUM_LABELS
from rainrestore.registry import METRICS, MODELS
from rainrestore.rules import COUNT

Sample = Mapping[str, Any]
#: Family of a metric -> decimal places in tables and in the index of the zoo.
DIGITS = {'PSNR': 2, 'SSIM': 4, 'LPIPS': 4, 'MAE': 2, 'mIoU': 3}


def family(key: str) -> str:
    """The name of a metric without its suffixes: ``PSNR`` for ``PSNR_crop4``."""
    return key.partition('_')[0]


def digits(key: str) -> int:
    """Decimal places of a metric."""
    return DIGITS.get(family(key), 4)


def field(metric: str, values: Mapping[str, Any], key: str, owner: str) -> Any:
    """A field of a sample that a metric needs.

    Args:
        metric: Name of the metric, for the message.
        values: A sample, or its ``output``.
        key: Key of the field.
        owner: The source of the field, such as ``'the restorer predicts'``, for the message.

    Raises:
        ConfigError: The field is missing.
    """
    if key not in values:
        raise ConfigError(
            f'{metric}: {owner} no {key!r}, only {", ".join(sorted(values)) or "nothing"}; remove this metric or '
            'choose another key'
        )
    return values[key]


PREDICTS, HAS = 'the restorer predicts', 'the data has'


class SampleMetric(BaseMetric):
    """A metric that is a mean over the images. ``process`` appends (name, value) of each image to ``results``.

    After ``evaluate``, :attr:`per_image` contains the name and the value of each image (on the main process only).

    Args:
        optional: Skip samples without the fields that the metric needs; otherwise they are an error.
        collect_device: How to gather the results of several processes: ``'gpu'`` in messages (on a CPU, too), ``'cpu'``
            through files in the working directory.
        prefix: Prefix of the key, separated by a slash.
    """

    # Not None, because mmengine warns about it.
    default_prefix = ''
    key: str

    def __init__(self, optional: bool = False, collect_device: str = 'gpu', prefix: str | None = None) -> None:
        super().__init__(collect_device, prefix)
        self.optional = optional
        self.per_image: list[tuple[str, float]] = []

    def compute_metrics(self, results: list[tuple[str, float]]) -> dict[str, float]:
        """The mean over the images whose value is not NaN; an empty dict if there are none."""
        self.per_image = list(results)
        values = [value for _, value in results if not math.isnan(value)]
        # fsum, so that the mean does not depend on the order of the images.
        return {self.key: math.fsum(values) / len(values)} if values else {}


class PairMetric(SampleMetric):
    """A metric of a predicted image or map and its ground truth; a subclass computes the values of a batch.

    Args:
        pred_key: Key of the prediction in ``output``; ``pred_img`` is in [0, 255], all others in [0, 1].
        **options: Arguments of :class:`SampleMetric`.
    """

    #: Key of the metric; if empty, the name of the class.
    name: str = ''
    #: Whether :meth:`measure` runs on any device; if not, its inputs are on the CPU.
    on_device = False

    def __init__(self, pred_key: str = 'pred_img', **options: Any) -> None:
        super().__init__(**options)
        self.pred_key = pred_key
        #: Key of the ground truth: uint8 in [0, 255] or float in [0, 1].
        self.gt_key = 'gt_img' if pred_key == 'pred_img' else pred_key
        name = self.name or type(self).__name__
        self.key = name if pred_key == 'pred_img' else f'{name}_{pred_key}'

    def process(self, data_batch: Any, data_samples: Sequence[Sample]) -> None:
        """Score one batch; ``data_samples`` are the predictions of the restorer as dicts."""
        names = [str(sample.get('name', '')) for sample in data_samples]
        self.results.extend(zip(names, self.score(data_samples), strict=True))

    def score(self, samples: Sequence[Sample]) -> list[float]:
        """The value of each image of the batch."""
        if self.optional:
            complete = [self.pred_key in sample.get('output', {}) and self.gt_key in sample for sample in samples]
            if not all(complete):
                return [self.score([sample])[0] if ready else math.nan
                        for sample, ready in zip(samples, complete, strict=True)]  # fmt: skip
        pairs = [self._pair(sample) for sample in samples]
        # One call for images of one size; otherwise one call per image.
        if len({tuple(pred.shape) for pred, _ in pairs}) == 1:
            return self.measure(*(torch.stack(side) for side in zip(*pairs, strict=True))).tolist()
        return [self.measure(pred[None], gt[None]).item() for pred, gt in pairs]

    @abstractmethod
    def measure(self, pred: Tensor, gt: Tensor) -> Tensor:
        """N x C x H x W images in [0, 255] -> N values, float64."""

    def _pair(self, sample: Sample) -> tuple[Tensor, Tensor]:
        pred = field(self.key, sample.get('output', {}), self.pred_key, PREDICTS).detach()
        pred = (pred if self.on_device else pred.cpu()).double()
        gt = field(self.key, sample, self.gt_key, HAS).detach().to(pred.device)
        if pred.shape != gt.shape:
            # Checked here, because a difference of unequal shapes may broadcast.
            raise ConfigError(
                f'{self.key}: the prediction of {sample.get("name", "an image")!r} has shape '
                f'{"x".join(map(str, pred.shape))}, its ground truth {"x".join(map(str, gt.shape))}'
            )
        pred = pred if self.pred_key == 'pred_img' else pred * PEAK
        return pred, gt.double() * PEAK if gt.is_floating_point() else gt.double()


class FeatureMetric(PairMetric):
    """A pair metric on the features of a network; a subclass computes their distance.

    Args:
        part: Config of the network, which maps N x 3 x H x W RGB in [0, 1] to N vectors or N lists of points; None for
            ``default``.
        **options: Arguments of :class:`PairMetric`.
    """

    #: The default network, and the shape of its output per face; a letter stands for any size.
    default: str
    shape: tuple[str | int, ...]

    def __init__(self, part: Mapping[str, Any] | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.part: Callable[[Tensor], Tensor] = MODELS.build(dict(part or {'type': self.default}))

    def features(self, faces: Tensor) -> Tensor:
        """N x C x H x W in [0, 255] -> the output of the network, float64 on the CPU.

        Raises:
            ConfigError: The output has another shape than ``shape``.
        """
        with torch.no_grad():
            output = self.part((faces / PEAK).float())
        expected = (len(faces), *self.shape)
        if output.dim() != len(expected) or any(
            isinstance(size, int) and size != found for size, found in zip(expected, output.shape, strict=True)
        ):
            raise ConfigError(
                f'{self.key}: the output of {type(self.part).__name__} for {len(faces)} faces has shape '
                f'{tuple(output.shape)}, expected ({", ".join(map(str, expected))})'
            )
        return output.detach().cpu().double()


class _ConventionMetric(PairMetric):
    """A pair metric with an optional border crop and an optional conversion to luma.

    Args:
        crop_border: Number of pixels to crop at each edge.
        convert_to: ``'Y'`` for the BT.601 luma, None for RGB.
        **options: Arguments of :class:`PairMetric`.
    """

    on_device = True
    #: The metric of a batch, with the arguments of :func:`rainrestore.evaluation.functional.psnr`.
    function: Callable[..., Tensor]

    def __init__(self, crop_border: int = 0, convert_to: str | None = None, **options: Any) -> None:
        super().__init__(**options)
        if convert_to not in (None, 'Y'):
            raise ConfigError(f"{self.name}: convert_to must be 'Y' or None, got {convert_to!r}")
        if not COUNT.is_valid(crop_border):
            raise ConfigError(f'{self.name}: crop_border must be {COUNT.description}, got {crop_border!r}')
        self.crop_border = crop_border
        self.convert_to = convert_to
        if convert_to:
            self.key += f'_{convert_to}'
        if crop_border:
            self.key += f'_crop{crop_border}'

    def score(self, samples: Sequence[Sample]) -> list[float]:
        """The value of each image of the batch."""
        try:
            return super().score(samples)
        except ValueError as error:  # the images are too small
            raise ConfigError(f'{self.key}: {error}') from error

    def measure(self, pred: Tensor, gt: Tensor) -> Tensor:
        """The value of each image."""
        return self.function(pred, gt, crop_border=self.crop_border, convert_to=self.convert_to)


@METRICS.register_module()
class PSNR(_ConventionMetric):
    """Peak signal-to-noise ratio in dB, see :func:`rainrestore.evaluation.functional.psnr`.

    Keys: ``PSNR``; with ``_<pred_key>``, ``_Y`` and ``_crop<N>`` if these arguments differ from the defaults.
    """

    name, function = 'PSNR', staticmethod(psnr)


@METRICS.register_module()
class SSIM(_ConventionMetric):
    """Structural similarity, see :func:`rainrestore.evaluation.functional.ssim`; keys as for :class:`PSNR`."""

    name, function = 'SSIM', staticmethod(ssim)


@METRICS.register_module()
class MSSSIM(_ConventionMetric):
    """Multi-scale structural similarity, see :func:`rainrestore.evaluation.functional.msssim`.

    Five scales need images with sides above 160 pixels, ``scales=4`` needs sides above 80. Values for different numbers
    of scales are not comparable, so their keys differ.

    Args:
        scales: Number of scales, 1 to 5; 5 as published.
        **options: Arguments of :class:`PSNR`.

    Keys: ``MSSSIM``; with the suffixes of :class:`PSNR`, and ``_<N>scales`` for fewer than five scales.

    Raises:
        ConfigError: An invalid number of scales, or images that are too small for them.
    """

    name = 'MSSSIM'

    def __init__(self, scales: int = len(MSSSIM_WEIGHTS), **options: Any) -> None:
        super().__init__(**options)
        try:
            check_scales(scales)
        except ValueError as error:
            raise ConfigError(f'MSSSIM: {error}') from error
        self.function = partial(msssim, scales=scales)
        if scales != len(MSSSIM_WEIGHTS):
            self.key += f'_{scales}scales'


@METRICS.register_module()
class MAE(PairMetric):
    """Mean absolute error over all channels and pixels, for images and maps in [0, 1].

    ``pred_key='streak'``, ``'transmission'`` and ``'airlight'`` compare the predicted S, T and A of the rain model with
    the ground truth (for J see ``PSNR(pred_key='lr_img')``).

    Keys: ``MAE_streak``, ``MAE_transmission``, ``MAE_airlight``, ``MAE_lr_img``; ``MAE`` for the restored image.
    """

    name = 'MAE'
    on_device = True

    def measure(self, pred: Tensor, gt: Tensor) -> Tensor:
        """MAE of each image."""
        return (pred - gt).abs().flatten(1).mean(1) / PEAK


def label_overlap(pred: Tensor, gt: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Intersections and unions of two parsed faces, in pixels, for each label.

    The label of a pixel is the argmax over the annotated labels. Pixels without an annotated label in the ground truth
    are excluded.

    Args:
        pred: C x h x w scores.
        gt: C x h x w fractions of each label (the area-averaged one-hot map).
        valid: C bool, the annotated labels.

    Returns:
        Intersections and unions, C int64 each.
    """
    hidden = ~valid.view(-1, 1, 1)
    known = gt.masked_fill(hidden, 0).sum(0) > 0
    pred = pred.masked_fill(hidden, -math.inf).argmax(0)[known]
    gt = gt.masked_fill(hidden, -math.inf).argmax(0)[known]
    table = torch.bincount(gt * len(valid) + pred, minlength=len(valid) ** 2).view(len(valid), -1)
    both = table.diagonal()
    return both, table.sum(0) + table.sum(1) - both


def mean_iou(both: Tensor, union: Tensor, chosen: Tensor) -> float:
    """The mean of intersection / union over the chosen labels with a union above 0; NaN without such a label."""
    present = chosen & (union > 0)
    return (both[present].double() / union[present]).mean().item()


def face_iou(pred: Tensor, gt: Tensor, valid: Tensor, chosen: Tensor) -> float:
    """:func:`mean_iou` of one parsed face; for the arguments see :func:`label_overlap`."""
    return mean_iou(*label_overlap(pred, gt, valid), chosen)


def annotated(sample: Sample, labels: int) -> Tensor:
    """The annotated labels of a sample: ``parsing_labels``, or all."""
    valid = sample.get('parsing_labels')
    return torch.ones(labels, dtype=torch.bool) if valid is None else valid.bool().cpu()


@METRICS.register_module()
class ParsingMIoU(SampleMetric):
    """Mean intersection over union of the predicted parsing at low resolution.

    The prediction is the argmax of ``output.parsing`` (C x h x w scores), the ground truth the argmax of ``parsing``,
    the area-averaged one-hot map. Intersections and unions are summed over all images. Their ratios are averaged over
    the labels with a union above 0. Both argmaxes run over the annotated labels only (``parsing_labels``). Pixels
    without an annotated label in the ground truth are excluded. All images must have the same annotated labels.

    Args:
        **options: Arguments of :class:`SampleMetric`.

    Keys: ``mIoU``.

    Raises:
        ConfigError: A missing field, unequal shapes, a colour parsing, or images with different annotated labels.
    """

    key = 'mIoU'

    def process(self, data_batch: Any, data_samples: Sequence[Sample]) -> None:
        """Add intersections, unions and annotated labels of each image."""
        for sample in data_samples:
            output = sample.get('output', {})
            if self.optional and ('parsing' not in output or 'parsing' not in sample):
                self.results.append(())
                continue
            pred = field('ParsingMIoU', output, 'parsing', PREDICTS).detach().float().cpu()
            gt = field('ParsingMIoU', sample, 'parsing', HAS).float().cpu()
            if pred.shape != gt.shape:
                raise ConfigError(
                    f'ParsingMIoU: the prediction has shape {tuple(pred.shape)}, the ground truth {tuple(gt.shape)}'
                )
            if len(gt) != NUM_LABELS:
                if self.optional:
                    self.results.append(())
                    continue
                raise ConfigError(
                    f'ParsingMIoU needs scores of {NUM_LABELS} labels (kind="onehot"), got {len(gt)} channels'
                )
            valid = annotated(sample, len(gt))
            self.results.append((*label_overlap(pred, gt, valid), valid))

    def compute_metrics(self, results: list[Any]) -> dict[str, float]:
        """mIoU over the labels with a union above 0; an empty dict if no image was scored."""
        # Skipped images are empty tuples. mmengine would drop None before it counts the images.
        results = [result for result in results if result]
        if not results:
            return {}
        both, union, valid = (torch.stack(part) for part in zip(*results, strict=True))
        if (valid != valid[0]).any():
            raise ConfigError('ParsingMIoU: images with different annotated labels; test their data sets separately')
        return {self.key: mean_iou(both.sum(0), union.sum(0), valid[0])}


def write_csv(path: Path, keys: Sequence[str], rows: Sequence[tuple[str, Sequence[float]]]) -> None:
    """Write ``name`` and the values of each image atomically; :func:`read_csv` reads the file."""
    with whole_file(path) as part, open(part, 'w', newline='', encoding='utf-8') as file:
        writer = csv.writer(file)
        writer.writerow(['name', *keys])
        writer.writerows([name, *(f'{value:.6f}' for value in values)] for name, values in rows)


def read_csv(path: Path | str) -> dict[str, dict[str, float]]:
    """Read a per-image file as name -> metric -> value.

    Raises:
        ConfigError: The file is missing or has no ``name`` column, a value is no number, or a name is not unique.
    """
    path = Path(path)
    if not path.is_file():
        raise ConfigError(f'no per-image file at {path}; rainrestore test --out DIR writes DIR/per_image.csv')
    table: dict[str, dict[str, float]] = {}
    try:
        reader = csv.DictReader(io.StringIO(path.read_text(encoding='utf-8'), newline=''))
        rows = [(reader.line_num, row) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(
            f'{path} is not CSV in UTF-8 ({error}); it is not a per-image file of rainrestore test'
        ) from error
    if not reader.fieldnames or 'name' not in reader.fieldnames:
        raise ConfigError(f'{path} has no column "name"; it is not a per-image file of rainrestore test')
    for line, row in rows:
        name = row.pop('name')
        if name in table:
            raise ConfigError(f'{path}: two rows have the name {name!r}')
        try:
            table[name] = {key: float(value) for key, value in row.items()}
        except (TypeError, ValueError) as error:
            raise ConfigError(f'{path}: line {line} contains a value that is not a number') from error
    return table
