"""The maps that a restorer predicts beside the face, against predictors that never look at it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset

from rainrestore.audit.faces import TestFaces, predict
from rainrestore.evaluation.metrics import Sample, annotated, label_overlap
from rainrestore.labels import LABELS, NUM_LABELS
from rainrestore.models.inspection import map_tensors

#: Maps of the rain model, and the letter of the paper for each.
RAIN_MAPS = {'streak': 'S', 'transmission': 'T', 'airlight': 'A'}
#: So many training faces, spread evenly, are enough for a mean.
TRAINING_FACES = 1000


@dataclass(frozen=True)
class ComponentAudit:
    """Intersection over union of one label, pooled over the test faces; NaN where neither side shows the label.

    Attributes:
        component: Name of the label.
        iou: Of the prediction, at low resolution: argmax of the scores against argmax of the area-averaged truth, as
            ``ParsingMIoU``.
        mean_map: The same with the mean of the area-averaged training masks in the place of every prediction.
        iou_full: Of the prediction against the mask itself: the low-resolution argmax, each cell repeated to its
            ``scale`` x ``scale`` pixels.
        bound_full: The same for the area-averaged truth: the IoU of a parser that gives each cell the label which most
            of its pixels have. A component smaller than a cell is lost there. NaN for both where the data has no mask.
    """

    component: str
    iou: float
    mean_map: float
    iou_full: float
    bound_full: float

    @property
    def above_mean(self) -> bool:
        """Whether the parser does better than a map that never looks at the face."""
        return self.iou > self.mean_map


@dataclass(frozen=True)
class RainMapAudit:
    """Mean absolute error of one map of the rain model, in [0, 1].

    Attributes:
        name: ``streak``, ``transmission`` or ``airlight``.
        mae: Of the prediction, mean over the faces.
        mae_of_mean: Of the constant predictor: for each channel the mean over faces and pixels of the training split.
    """

    name: str
    mae: float
    mae_of_mean: float


@dataclass(frozen=True)
class MapsAudit:
    """The maps of a restorer.

    Attributes:
        components: A line for each annotated label; empty if it predicts no parsing of 19 labels.
        rain: A line for each of S, T and A that it predicts.
        correlations: ``S^,S`` and ``S^,J``: Pearson's correlation of the predicted streaks with the true ones and with
            the true face without rain, over pixels and channels, mean over the faces. Streaks that show the face have
            the larger second value.
    """

    components: list[ComponentAudit]
    rain: list[RainMapAudit]
    correlations: dict[str, float]

    def mean_iou(self, key: str) -> float:
        """The mean of a column of the components, over those that have a value."""
        values = [value for part in self.components if not math.isnan(value := getattr(part, key))]
        return sum(values) / len(values) if values else math.nan


def training_means(dataset: Dataset) -> dict[str, Tensor]:
    """Means over (at most 1000 faces of) a data set: the parsing as a map, of each rain map one value a channel.

    Args:
        dataset: The training split in the pipeline of the test: no flips, fixed rain.

    Returns:
        ``parsing`` (C, h, w), ``streak`` (3, 1, 1), ``transmission`` (1, 1, 1) and ``airlight`` (3, 1, 1); those that
        the samples have.
    """
    available = len(dataset)  # type: ignore[arg-type]
    count = min(available, TRAINING_FACES)
    sums: dict[str, Tensor] = {}
    for place in range(count):
        sample = dataset[place * available // count]['data_samples']
        for key in ('parsing', *RAIN_MAPS):
            if key in sample:
                value = getattr(sample, key).double()
                value = value if key == 'parsing' else value.mean((1, 2), keepdim=True)
                sums[key] = sums[key] + value if key in sums else value
    return {key: total / count for key, total in sums.items()}


def predicts_maps(sample: Sample) -> bool:
    """Whether a prediction has a map of which the sample has the truth."""
    return any(key in sample['output'] and key in sample for key in ('parsing', *RAIN_MAPS))


def audit_maps(model: nn.Module, faces: TestFaces, means: Mapping[str, Tensor]) -> MapsAudit:
    """Compare the maps of all faces with the truth.

    Args:
        model: A restorer in evaluation mode.
        faces: The test faces.
        means: See :func:`training_means`.
    """
    overlaps = {key: torch.zeros(2, NUM_LABELS, dtype=torch.long) for key in ('iou', 'mean_map', 'iou_full',
                                                                             'bound_full')}  # fmt: skip
    valid = torch.zeros(NUM_LABELS, dtype=torch.bool)
    errors: dict[str, list[tuple[float, float]]] = {key: [] for key in RAIN_MAPS}
    correlations: dict[str, list[float]] = {'S^,S': [], 'S^,J': []}
    for batch in faces.batches():
        for given in predict(model, batch):
            sample = map_tensors(Tensor.cpu, given)
            output = sample['output']
            if len(output.get('parsing', ())) == NUM_LABELS and 'parsing' in sample:
                valid |= annotated(sample, NUM_LABELS)
                for key, overlap in _overlaps(output['parsing'], sample, means['parsing']).items():
                    overlaps[key] += overlap
            for key, found in errors.items():
                if key in output and key in sample:
                    truth = sample[key].double()
                    constant = (means[key] - truth).abs().mean()
                    found.append((float((output[key].double() - truth).abs().mean()), float(constant)))
            if 'streak' in output:
                for name, key in (('S^,S', 'streak'), ('S^,J', 'lr_img')):
                    if key in sample and sample[key].shape == output['streak'].shape:
                        correlations[name].append(correlation(output['streak'], sample[key]))
    return MapsAudit(
        [
            ComponentAudit(label, **{key: _ratio(*overlap[:, index]) for key, overlap in overlaps.items()})
            for index, label in enumerate(LABELS)
            if valid[index] and overlaps['iou'][1, index] > 0
        ],
        [
            RainMapAudit(key, *(sum(column) / len(column) for column in zip(*found, strict=True)))
            for key, found in errors.items()
            if found
        ],
        {name: _mean(values) for name, values in correlations.items() if values},
    )


def _overlaps(scores: Tensor, sample: Sample, mean_map: Tensor) -> dict[str, Tensor]:
    """Intersections and unions (2, 19) of one face, for each column of :class:`ComponentAudit`."""
    truth, valid = sample['parsing'].float(), annotated(sample, NUM_LABELS)
    found = {
        'iou': label_overlap(scores.float(), truth, valid),
        'mean_map': label_overlap(mean_map.float(), truth, valid),
    }
    if 'mask' in sample:
        mask = F.one_hot(sample['mask'][0].long(), NUM_LABELS).movedim(-1, 0).float()
        for key, small in (('iou_full', scores.float()), ('bound_full', truth)):
            # Repeating scores and then taking the largest is repeating the label of the largest.
            found[key] = label_overlap(F.interpolate(small[None], mask.shape[-2:])[0], mask, valid)
    return {key: torch.stack(overlap) for key, overlap in found.items()}


def correlation(first: Tensor, second: Tensor) -> float:
    """Pearson's correlation of all values; NaN where one side is constant."""
    x, y = (values.double().flatten() - values.double().mean() for values in (first, second))
    spread = float(x.norm() * y.norm())
    return float(x @ y) / spread if spread > 0 else math.nan


def _ratio(both: Any, union: Any) -> float:
    return float(both) / float(union) if union else math.nan


def _mean(values: list[float]) -> float:
    finite = [value for value in values if not math.isnan(value)]
    return sum(finite) / len(finite) if finite else math.nan
