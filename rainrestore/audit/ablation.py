"""The gain of a slot: the difference of the scores with the output of the slot and with a simpler replacement."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from rainrestore.audit.faces import Scorer, TestFaces, predict, unit
from rainrestore.audit.slots import find_slots, first_layer, recorded, replaced, shortened
from rainrestore.evaluation import paired_bootstrap
from rainrestore.evaluation.metrics import digits, family
from rainrestore.models.inspection import CONSTANT_SPREAD, TRUNK, map_tensors, named_tensors

MEAN, OTHER_FACE, FIRST_LAYER = 'mean', 'other face', 'first layer'
#: Replacement of the output of a slot -> its name in a finding.
REPLACEMENTS = {
    MEAN: 'its mean output',
    OTHER_FACE: 'its output for another face',
    FIRST_LAYER: 'the output of its first layer',
}
#: A smaller gain is reported as no gain, even if its interval excludes zero.
NEGLIGIBLE = {'PSNR': 0.01, 'SSIM': 1e-3, 'LPIPS': 1e-3, 'IoU': 1e-3}


@dataclass(frozen=True)
class Gain:
    """The improvement of a score by a slot over a replacement of its output; positive is better, also for LPIPS.

    Attributes:
        mean: Mean over the faces.
        low: Lower end of the 95 % interval of a paired bootstrap over the faces.
        high: Upper end of this interval.
    """

    mean: float
    low: float
    high: float

    def text(self, key: str) -> str:
        """Format the gain, for example ``0.53 dB (0.41 to 0.66)``."""
        places = digits(key)
        return f'{self.mean:.{places}f} {unit(key)} ({self.low:.{places}f} to {self.high:.{places}f})'


@dataclass(frozen=True)
class SlotAudit:
    """The gains of one slot.

    Attributes:
        slot: Name of the slot, such as ``generator.trunk``.
        gains: Stand-in -> score -> gain.
        constant: The outputs of the slot that are equal for all faces, such as ``airlight``; ``output`` if the slot
            returns a single tensor.
    """

    slot: str
    gains: dict[str, dict[str, Gain]] = field(default_factory=dict)
    constant: list[str] = field(default_factory=list)

    def weakest(self, key: str) -> tuple[str, Gain]:
        """The replacement with the smallest gain, and this gain."""
        replacement = min(self.gains, key=lambda name: self.gains[name][key].mean)
        return replacement, self.gains[replacement][key]

    @property
    def finding(self) -> str:
        """A sentence about the gain in the first score, or in another score if the first shows no gain."""
        if not self.gains:
            return ''
        keys = list(next(iter(self.gains.values())))
        gaining = [key for key in keys if self.weakest(key)[1].low > NEGLIGIBLE[family(key)]]
        key = gaining[0] if gaining else keys[0]
        lead = 'gain' if key == keys[0] else f'no gain in {unit(keys[0])}, but'
        replacement, gain = self.weakest(key)
        return f'{lead if gaining else "no gain:"} {gain.text(key)} over {REPLACEMENTS[replacement]}'


class _OutputStatistics:
    """For each call of a slot: the mean of its outputs over the faces, and the outputs that are equal for all faces."""

    def __init__(self) -> None:
        self._count = 0
        self._sum: Any = None
        self._first: dict[str, Tensor] = {}
        self._apart: dict[str, float] = {}
        self._largest: dict[str, float] = {}

    def add(self, calls: Sequence[Any], count: int) -> None:
        """Add the outputs for a batch of ``count`` faces."""
        outputs = list(calls)
        sums = map_tensors(lambda x: _over_faces(x.double(), count), outputs)
        self._sum = sums if self._count == 0 else map_tensors(torch.add, self._sum, sums)
        self._count += count
        for name, values in named_tensors(outputs).items():
            first = self._first.setdefault(name, values[:1] if values.dim() else values)
            self._apart[name] = max(float((values - first).abs().max()), self._apart.get(name, 0.0))
            self._largest[name] = max(float(values.abs().max()), self._largest.get(name, 0.0))

    def mean(self) -> list[Any]:
        """For each call, the mean output, as a batch of one sample."""
        return map_tensors(lambda x: x / self._count, self._sum)

    def constant(self) -> list[str]:
        """Names of the outputs that differ by less than a thousandth of their largest value."""
        names = [name for name, apart in self._apart.items() if apart <= CONSTANT_SPREAD * self._largest[name]]
        # The first part of a name is the number of the call.
        return list(dict.fromkeys(name.partition('.')[2] or 'output' for name in names))


def _over_faces(values: Tensor, count: int) -> Tensor:
    """The sum over the faces; an output without batch dimension counts as equal for all faces."""
    per_face = values.dim() > 0 and len(values) == count
    return values.sum(0, keepdim=True) if per_face else values * count


def audit_slots(
    model: nn.Module, faces: TestFaces, scorer: Scorer, ablate: bool = True
) -> tuple[dict[str, float], list[SlotAudit]]:
    """Restore all faces with the unchanged model, and with each replacement of the output of each slot.

    Args:
        model: A restorer in evaluation mode.
        faces: The test faces.
        scorer: Computes the scores.
        ablate: False omits the replacements and only finds constant outputs.

    Returns:
        The mean scores of the model, and the gains of each slot.
    """
    probe = next(faces.batches())
    slots = find_slots(model, lambda: predict(model, probe))
    statistics = {name: _OutputStatistics() for name in slots}
    own: dict[str, list[float]] = {key: [] for key in scorer.keys}
    for batch in faces.batches():
        with recorded(slots) as calls:
            _extend(own, scorer(predict(model, batch)))
        for name, outputs in calls.items():
            statistics[name].add(outputs, len(batch['inputs']))
    measurements = {key: sum(values) / len(values) for key, values in own.items()}
    audits = [SlotAudit(name, {}, statistics[name].constant()) for name in slots]
    if ablate:
        means = {name: statistics[name].mean() for name in slots}
        trunks = {name: module for name, module in slots.items() if name.rpartition('.')[2] == TRUNK}
        firsts = {name: first_layer(module, lambda: predict(model, probe)) for name, module in trunks.items()}
        scores = _scores_of_replacements(model, faces, scorer, slots, means, firsts)
        for audit in audits:
            for replacement, values in scores[audit.slot].items():
                audit.gains[replacement] = {key: _gain(key, own[key], values[key]) for key in scorer.keys}
    return measurements, audits


def _scores_of_replacements(
    model: nn.Module,
    faces: TestFaces,
    scorer: Scorer,
    slots: Mapping[str, nn.Module],
    means: Mapping[str, list[Any]],
    firsts: Mapping[str, nn.Module | None],
) -> dict[str, dict[str, dict[str, list[float]]]]:
    """Slot -> replacement -> score -> one value per face."""
    scores: dict[str, dict[str, dict[str, list[float]]]] = {name: {} for name in slots}
    for batch, donors in zip(faces.batches(), faces.batches(shift=1), strict=True):
        with recorded(slots) as others:
            predict(model, donors)
        for name, module in slots.items():
            replacements: dict[str, AbstractContextManager] = {
                MEAN: replaced(module, means[name]),
                OTHER_FACE: replaced(module, others[name]),
            }
            first = firsts.get(name)
            if first is not None:
                replacements[FIRST_LAYER] = shortened(module, first)
            for replacement, changed in replacements.items():
                with changed:
                    found = scorer(predict(model, batch))
                _extend(scores[name].setdefault(replacement, {key: [] for key in scorer.keys}), found)
    return scores


def _extend(values: dict[str, list[float]], more: Mapping[str, Sequence[float]]) -> None:
    for key, column in values.items():
        column.extend(more[key])


def _gain(key: str, own: Sequence[float], other: Sequence[float]) -> Gain:
    # A lower LPIPS is better, a higher value of every other score.
    better, worse = (other, own) if key.startswith('LPIPS') else (own, other)
    result = paired_bootstrap(better, worse)
    return Gain(result.difference, result.low, result.high)
