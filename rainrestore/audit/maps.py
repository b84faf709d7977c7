"""Accuracy of the predicted parsing and rain maps, compared with constant predictors."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset

from rainrestore.audit.faces import TestFaces, predict
from rainrestore.evaluation.metrics import Sample, annotated, label_overlap
from rainrestore.labels import LABELS, NUM_LABELS
from rainrestore.models.inspection import map_tensors

#: Maps of the rain model -> their symbols in the paper.
RAIN_MAPS = {'streak': 'S', 'transmission': 'T', 'airlight': 'A'}
#: Greatest number of training faces, evenly spaced, for the means.
TRAINING_FACES = 1000


@dataclass(frozen=True)
class ComponentAudit:
    """Intersection over union (IoU) of one label, over the pixels of all test faces; NaN if the union is empty.

    Attributes:
        component: Name of the label.
        iou: IoU of the prediction at low resolution: argmax of the scores and argmax of the area-averaged ground truth,
            as in ``ParsingMIoU``.
        mean_map: IoU of a constant predictor, the mean of the area-averaged training masks.
        iou_full: IoU of the prediction and the mask at full size: each cell of the low-resolution argmax is repeated to
            ``scale`` x ``scale`` pixels. NaN without masks.
        bound_full: The same for the argmax of the area-averaged ground truth: a guide for a parser at low resolution.
            It is no strict upper bound, because this argmax maximises the number of correct pixels, not the IoU: it
            misses components that cover the smaller part of their cells. NaN without masks.
    """

    component: str
    iou: float
    mean_map: float
    iou_full: float
    bound_full: float

    @property
    def above_mean(self) -> bool:
        """Whether the IoU of the parser is above the IoU of the constant predictor."""
        return self.iou > self.mean_map


@dataclass(frozen=True)
class RainMapAudit:
    """Mean absolute error of one map of the rain model, in [0, 1].

    Attributes:
        name: ``streak``, ``transmission`` or ``airlight``.
        mae: Error of the prediction, mean over the faces.
        mae_of_mean: Error of a constant predictor: for each channel, the mean over faces and pixels of the training
            split.
    """

    name: str
    mae: float
    mae_of_mean: float


@dataclass(frozen=True)
class MapsAudit:
    """Accuracy of the maps of a restorer.

    Attributes:
        components: One entry per annotated label in the true or the predicted parsing of any face; empty without a
            parsing of 19 labels.
        rain: One entry for each of S, T and A that the restorer predicts.
        correlations: ``S^,S`` and ``S^,J``: Pearson's correlation of the predicted streaks with the true streaks and
            with the true face without rain, over pixels and channels, mean over the faces. If the second is larger,
            the streaks contain the face.
    """

    components: list[ComponentAudit]
    rain: list[RainMapAudit]
    correlations: dict[str, float]

    def mean_iou(self, key: str) -> float:
        """The mean of an attribute over the components, without NaN."""
        return _mean([getattr(part, key) for part in self.components])


def training_means(dataset: Dataset) -> dict[str, Tensor]:
    """Means over at most 1000 faces of a data set: a map for the parsing, one value per channel for the rain maps.

    Args:
        dataset: The training split with the pipeline of the test (no flips, seeded rain).

    Returns:
        Name -> mean: ``parsing`` (C, h, w), ``streak`` (3, 1, 1), ``transmission`` (1, 1, 1) and ``airlight``
        (3, 1, 1), without names that the samples lack.
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
    """Whether a sample has a predicted map and its ground truth."""
    return any(key in sample['output'] and key in sample for key in ('parsing', *RAIN_MAPS))


def audit_maps(model: nn.Module, faces: TestFaces, means: Mapping[str, Tensor]) -> MapsAudit:
    """Compare the maps of all faces with the ground truth.

    Args:
        model: A restorer in evaluation mode.
        faces: The test faces.
        means: The result of :func:`training_means`.
    """
    overlaps = {key: torch.zeros(2, NUM_LABELS, dtype=torch.long) for key in ('iou', 'mean_map', 'iou_full',
                                                                             'bound_full')}  # fmt: skip
    valid = torch.zeros(NUM_LABELS, dtype=torch.bool)
    errors: dict[str, list[tuple[float, float]]] = {key: [] for key in RAIN_MAPS}
    correlations: dict[str, list[float]] = {'S^,S': [], 'S^,J': []}
    for batch in faces.batches():
        for prediction in predict(model, batch):
            sample = map_tensors(Tensor.cpu, prediction)
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
    # NaN for an empty union.
    ratios = {key: (both.double() / union).tolist() for key, (both, union) in overlaps.items()}
    return MapsAudit(
        [
            ComponentAudit(label, **{key: values[index] for key, values in ratios.items()})
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
            # The argmax of repeated scores equals the repeated argmax.
            found[key] = label_overlap(F.interpolate(small[None], mask.shape[-2:])[0], mask, valid)
    return {key: torch.stack(overlap) for key, overlap in found.items()}


def correlation(first: Tensor, second: Tensor) -> float:
    """Pearson's correlation of all values; NaN if one tensor is constant."""
    return float(torch.corrcoef(torch.stack([first, second]).double().flatten(1))[0, 1])


def _mean(values: list[float]) -> float:
    """The mean of the values that are not NaN."""
    finite = [value for value in values if not math.isnan(value)]
    return sum(finite) / len(finite) if finite else math.nan
