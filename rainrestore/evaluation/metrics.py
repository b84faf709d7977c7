"""Metrics on mmengine's ``BaseMetric``, for ``val_evaluator`` and ``test_evaluator`` of a config.

The key of a metric states its convention: ``PSNR`` is RGB without a border crop, ``PSNR_Y`` the luma, ``PSNR_crop4``
RGB without the four outer pixels, ``PSNR_lr_img`` the de-rained low-resolution picture J.
"""

import csv
import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
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

Sample = Mapping[str, Any]


def field(metric: str, values: Mapping[str, Any], key: str, owner: str) -> Any:
    """A picture that a metric needs.

    Args:
        metric: Name of the metric, for the message.
        values: A sample, or its ``output``.
        key: Key of the picture.
        owner: The source of the picture, such as ``'the restorer predicts'``.

    Raises:
        ConfigError: It is not there.
    """
    if key not in values:
        raise ConfigError(
            f'{metric}: {owner} no {key!r}, only {", ".join(sorted(values)) or "nothing"}; drop this metric or choose '
            'another key'
        )
    return values[key]


PREDICTS, HAS = 'the restorer predicts', 'the data has'


class SampleMetric(BaseMetric):
    """A metric that is a mean over the images; a subclass's ``process`` adds name and value of each to ``results``.

    After ``evaluate``, :attr:`per_image` holds the name and the value of each image (on the main process only).

    Args:
        collect_device: How results of several processes are gathered: ``'gpu'`` in messages (on a CPU, too), ``'cpu'``
            through files in the working directory.
        prefix: Put before the key, with a slash.
    """

    # Empty instead of None, which mmengine warns about: the keys say which metric they are.
    default_prefix = ''
    key: str

    def __init__(self, collect_device: str = 'gpu', prefix: str | None = None) -> None:
        super().__init__(collect_device, prefix)
        self.per_image: list[tuple[str, float]] = []

    def compute_metrics(self, results: list[tuple[str, float]]) -> dict[str, float]:
        """The mean over the images that have a value (NaN is none); no key when none has."""
        self.per_image = list(results)
        values = [value for _, value in results if not math.isnan(value)]
        # fsum: the mean does not depend on the order in which processes and workers deliver the images.
        return {self.key: math.fsum(values) / len(values)} if values else {}


class PairMetric(SampleMetric):
    """A metric of a predicted picture or map against its truth; a subclass computes the values of a batch.

    Args:
        pred_key: Key of the picture in ``output``; ``pred_img`` is in [0, 255], every other one in [0, 1].
        gt_key: Key of the truth: uint8 is read as [0, 255], float as [0, 1].
        optional: Leave out samples without prediction or truth; otherwise they are an error.
        collect_device: As for :class:`SampleMetric`.
        prefix: As for :class:`SampleMetric`.
    """

    #: Key of the metric; the name of the class where a subclass gives none.
    name: str = ''
    #: Whether :meth:`measure` computes on any device, and so where the restorer left the prediction.
    on_device = False

    def __init__(
        self,
        pred_key: str = 'pred_img',
        gt_key: str | None = None,
        optional: bool = False,
        collect_device: str = 'gpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device, prefix)
        self.pred_key = pred_key
        self.gt_key = gt_key or ('gt_img' if pred_key == 'pred_img' else pred_key)
        self.optional = optional
        name = self.name or type(self).__name__
        self.key = name if pred_key == 'pred_img' else f'{name}_{pred_key}'

    def process(self, data_batch: Any, data_samples: Sequence[Sample]) -> None:
        """Score one batch; ``data_samples`` are the restorer's predictions as dictionaries."""
        names = [str(sample.get('name', '')) for sample in data_samples]
        self.results.extend(zip(names, self.score(data_samples), strict=True))

    def score(self, samples: Sequence[Sample]) -> list[float]:
        """One value an image of the batch."""
        if self.optional:
            here = [self.pred_key in sample.get('output', {}) and self.gt_key in sample for sample in samples]
            if not all(here):
                return [self.score([sample])[0] if ready else math.nan
                        for sample, ready in zip(samples, here, strict=True)]  # fmt: skip
        pairs = [self._pair(sample) for sample in samples]
        # One call when all sides agree, as in a batch of faces; one an image for a folder of mixed sizes.
        if len({tuple(pred.shape) for pred, _ in pairs}) == 1:
            return self.measure(*(torch.stack(side) for side in zip(*pairs, strict=True))).tolist()
        return [self.measure(pred[None], gt[None]).item() for pred, gt in pairs]

    @abstractmethod
    def measure(self, pred: Tensor, gt: Tensor) -> Tensor:
        """One value an image of N x C x H x W pictures in [0, 255], float64."""

    def _pair(self, sample: Sample) -> tuple[Tensor, Tensor]:
        pred = field(self.key, sample.get('output', {}), self.pred_key, PREDICTS).detach()
        pred = (pred if self.on_device else pred.cpu()).double()
        gt = field(self.key, sample, self.gt_key, HAS).detach().to(pred.device)
        if pred.shape != gt.shape:
            # Refused here, because a difference of unequal shapes may broadcast to a number that means nothing.
            raise ConfigError(
                f'{self.key}: the prediction of {sample.get("name", "an image")!r} is '
                f'{"x".join(map(str, pred.shape))}, its truth {"x".join(map(str, gt.shape))}'
            )
        pred = pred if self.pred_key == 'pred_img' else pred * PEAK
        return pred, gt.double() * PEAK if gt.is_floating_point() else gt.double()


class SeenMetric(PairMetric):
    """A pair metric on the features of a network; a subclass computes their distance.

    Args:
        part: The network, built by the registry, for that of ``default``: takes N x 3 x H x W RGB in [0, 1], gives N
            vectors or N lists of points.
        **options: As for :class:`PairMetric`.
    """

    #: The default network, and the shape of its output for a face: numbers, and letters for free sizes.
    default: str
    shape: tuple[str | int, ...]

    def __init__(self, part: Mapping[str, Any] | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.part: Callable[[Tensor], Tensor] = MODELS.build(dict(part or {'type': self.default}))

    def see(self, faces: Tensor) -> Tensor:
        """N x C x H x W in [0, 255] -> the output of the network, float64 on the CPU.

        Raises:
            ConfigError: It is of another shape.
        """
        with torch.no_grad():
            seen = self.part((faces / PEAK).float())
        expected = (len(faces), *self.shape)
        if seen.dim() != len(expected) or any(
            isinstance(size, int) and size != found for size, found in zip(expected, seen.shape, strict=True)
        ):
            raise ConfigError(
                f'{self.key}: {type(self.part).__name__} gives {tuple(seen.shape)} for {len(faces)} faces, expected '
                f'({", ".join(map(str, expected))})'
            )
        return seen.detach().cpu().double()


class _ConventionMetric(PairMetric):
    """A pair metric that may leave out a border or look at the luma alone.

    Args:
        crop_border: Pixels left out at each edge.
        convert_to: ``'Y'`` for the BT.601 luma, None for RGB.
        **options: As for :class:`PairMetric`.
    """

    on_device = True

    def __init__(self, crop_border: int = 0, convert_to: str | None = None, **options: Any) -> None:
        super().__init__(**options)
        if convert_to not in (None, 'Y'):
            raise ConfigError(f"{self.name}: convert_to is 'Y' or None, not {convert_to!r}")
        self.crop_border = crop_border
        self.convert_to = convert_to
        if convert_to:
            self.key += f'_{convert_to}'
        if crop_border:
            self.key += f'_crop{crop_border}'


@METRICS.register_module()
class PSNR(_ConventionMetric):
    """Peak signal-to-noise ratio in dB, see :func:`rainrestore.evaluation.functional.psnr`.

    Keys: ``PSNR``, with ``_Y``, ``_crop<N>`` and ``_<pred_key>`` where those differ from the headline convention.
    """

    name = 'PSNR'

    def measure(self, pred: Tensor, gt: Tensor) -> Tensor:
        """PSNR an image."""
        return psnr(pred, gt, self.crop_border, self.convert_to)


@METRICS.register_module()
class SSIM(_ConventionMetric):
    """Structural similarity, see :func:`rainrestore.evaluation.functional.ssim`; keys as for :class:`PSNR`."""

    name = 'SSIM'

    def measure(self, pred: Tensor, gt: Tensor) -> Tensor:
        """SSIM an image."""
        return ssim(pred, gt, self.crop_border, self.convert_to)


@METRICS.register_module()
class MSSSIM(_ConventionMetric):
    """Multi-scale structural similarity, see :func:`rainrestore.evaluation.functional.msssim`.

    Five scales need pictures above 160 pixels. ``scales=4``, for those above 80, is another measure with another key.

    Args:
        scales: 1 to 5; 5 as published.
        **options: As for :class:`PSNR`.

    Keys: ``MSSSIM``, further as for :class:`PSNR`, and with ``_4scales`` and the like for fewer than five.

    Raises:
        ConfigError: Another number of scales, or pictures too small for them.
    """

    name = 'MSSSIM'

    def __init__(self, scales: int = len(MSSSIM_WEIGHTS), **options: Any) -> None:
        super().__init__(**options)
        try:
            check_scales(scales)
        except ValueError as error:
            raise ConfigError(f'MSSSIM: {error}') from error
        self.scales = scales
        if scales != len(MSSSIM_WEIGHTS):
            self.key += f'_{scales}scales'

    def measure(self, pred: Tensor, gt: Tensor) -> Tensor:
        """MS-SSIM an image."""
        try:
            return msssim(pred, gt, self.scales, self.crop_border, self.convert_to)
        except ValueError as error:
            raise ConfigError(f'{self.key}: {error}') from error


@METRICS.register_module()
class MAE(PairMetric):
    """Mean absolute error over all channels and pixels, pictures and maps in [0, 1]: how well the physics is read.

    ``pred_key='streak'``, ``'transmission'`` and ``'airlight'`` compare the predicted S, T and A of the rain model with
    those that made the picture (``PSNR(pred_key='lr_img')`` does so for J). 0.1 is an error of a tenth of the range.

    Keys: ``MAE_streak``, ``MAE_transmission``, ``MAE_airlight``, ``MAE_lr_img``; ``MAE`` for the restored picture.
    """

    name = 'MAE'
    on_device = True

    def measure(self, pred: Tensor, gt: Tensor) -> Tensor:
        """MAE an image."""
        return (pred - gt).abs().flatten(1).mean(1) / PEAK


def label_overlap(pred: Tensor, gt: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Pixels in both and pixels in either, label by label, of two parsed faces.

    A pixel has the label of its largest score among the annotated ones; where the truth has no annotated label at all,
    it is left out.

    Args:
        pred: C x h x w scores.
        gt: C x h x w shares of each label (the area-averaged one-hot map).
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


def annotated(sample: Sample, labels: int) -> Tensor:
    """Which labels the sample's data set annotates: ``parsing_labels``, or all."""
    valid = sample.get('parsing_labels')
    return torch.ones(labels, dtype=torch.bool) if valid is None else valid.bool().cpu()


@METRICS.register_module()
class ParsingMIoU(BaseMetric):
    """Mean intersection over union of the predicted parsing at low resolution.

    The prediction is the argmax of ``output.parsing`` (C x h x w scores), the truth the argmax of ``parsing``, the
    area-averaged one-hot map. Intersections and unions are summed over all images first (the usual mIoU), then averaged
    over the labels that some truth or prediction shows. Only annotated labels (``parsing_labels``) take part: both
    argmaxes run over these alone, so an unannotated label can be neither right nor wrong, and a pixel whose truth has
    no annotated label at all is left out. All images must have the same annotated labels; two data sets that differ
    there must not be pooled.

    Args:
        optional: Leave out, without an error, images whose parsing is not predicted or not known.
        collect_device: How results of several processes are gathered: ``'gpu'`` in messages (on a CPU, too), ``'cpu'``
            through files in the working directory.
        prefix: Put before the key, with a slash.

    Keys: ``mIoU``.
    """

    default_prefix = ''
    key = 'mIoU'

    def __init__(self, optional: bool = False, collect_device: str = 'gpu', prefix: str | None = None) -> None:
        super().__init__(collect_device, prefix)
        self.optional = optional

    def process(self, data_batch: Any, data_samples: Sequence[Sample]) -> None:
        """Add one row of intersections, unions and annotated labels an image."""
        for sample in data_samples:
            output = sample.get('output', {})
            if self.optional and ('parsing' not in output or 'parsing' not in sample):
                self.results.append(())
                continue
            pred = field('ParsingMIoU', output, 'parsing', PREDICTS).detach().float().cpu()
            gt = field('ParsingMIoU', sample, 'parsing', HAS).float().cpu()
            if pred.shape != gt.shape:
                raise ConfigError(f'ParsingMIoU: the prediction is {tuple(pred.shape)}, the truth {tuple(gt.shape)}')
            if len(gt) != NUM_LABELS:
                if self.optional:
                    self.results.append(())
                    continue
                raise ConfigError(
                    f'ParsingMIoU needs scores of {NUM_LABELS} labels (kind="onehot"), not {len(gt)} channels'
                )
            valid = annotated(sample, len(gt))
            self.results.append((*label_overlap(pred, gt, valid), valid))

    def compute_metrics(self, results: list[tuple[Tensor, ...]]) -> dict[str, float]:
        """mIoU over the labels seen; no key when no image was scored."""
        # Empty where an image was not scored, rather than None: mmengine drops that before it counts the images.
        results = [result for result in results if result]
        if not results:
            return {}
        both, union, valid = (torch.stack(part) for part in zip(*results, strict=True))
        if (valid != valid[0]).any():
            raise ConfigError('ParsingMIoU: images with different annotated labels are pooled; test them apart')
        both, union = both.sum(0), union.sum(0)
        seen = valid[0] & (union > 0)
        return {self.key: (both[seen].double() / union[seen]).mean().item() if seen.any() else math.nan}


def write_csv(path: Path, keys: Sequence[str], rows: Sequence[tuple[str, Sequence[float]]]) -> None:
    """Write ``name`` and the values of each image, complete or not at all; :func:`read_csv` reads it back."""
    with whole_file(path) as part, open(part, 'w', newline='', encoding='utf-8') as file:
        writer = csv.writer(file)
        writer.writerow(['name', *keys])
        writer.writerows([name, *(f'{value:.6f}' for value in values)] for name, values in rows)


def read_csv(path: Path | str) -> dict[str, dict[str, float]]:
    """Read a per-image file as name -> metric -> value.

    Raises:
        ConfigError: The file is missing, has no ``name`` column, a value is no number or a name comes twice.
    """
    path = Path(path)
    if not path.is_file():
        raise ConfigError(f'no per-image file at {path}; rainrestore test --out DIR writes DIR/per_image.csv')
    table: dict[str, dict[str, float]] = {}
    with open(path, newline='', encoding='utf-8') as file:
        reader = csv.DictReader(file)
        if not reader.fieldnames or 'name' not in reader.fieldnames:
            raise ConfigError(f'{path} has no column "name"; it is not a per-image file of rainrestore test')
        for row in reader:
            name = row.pop('name')
            if name in table:
                raise ConfigError(f'{path}: {name!r} comes twice')
            try:
                table[name] = {key: float(value) for key, value in row.items()}
            except (TypeError, ValueError) as error:
                raise ConfigError(f'{path}: line {reader.line_num} holds a value that is not a number') from error
    return table
