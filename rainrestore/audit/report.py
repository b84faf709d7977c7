"""An audit as text."""

import math

from rainrestore.audit.ablation import unit
from rainrestore.audit.core import Audit
from rainrestore.audit.discriminators import ALL, GENERATOR, IMAGE, LOGGED, DiscriminatorsAudit
from rainrestore.audit.layers import LayersAudit
from rainrestore.audit.maps import RAIN_MAPS, MapsAudit
from rainrestore.evaluation.metrics import digits
from rainrestore.tables import table

#: Greatest number of small layers listed by name; the JSON has all.
LISTED = 20


def format_audit(audit: Audit) -> str:
    """Tables and sentences, with a section each for slots, maps, layers and discriminators."""
    scores = ', '.join(f'{key} {value:.{digits(key)}f}' for key, value in audit.scores.items())
    parts = [f'{audit.name} on {audit.faces} faces of {audit.data}: {scores}', _slots(audit)]
    if audit.maps is not None:
        parts.append(_maps(audit.maps))
    parts.append(_layers(audit.layers))
    if audit.discriminators is not None:
        parts.append(_discriminators(audit.discriminators))
    parts += audit.notes
    return '\n\n'.join(part for part in parts if part)


def list_findings(audit: Audit) -> dict[str, str]:
    """One line for each audited part: each slot, ``parsing``, ``rain maps``, ``layers`` and ``small layers``."""
    found: dict[str, str] = {}
    for slot in audit.slots:
        constant = f'the same for all faces: {", ".join(slot.constant)}' if slot.constant else ''
        line = '; '.join(part for part in (slot.finding, constant) if part)
        found |= {slot.slot: line} if line else {}
    maps = audit.maps
    if maps is not None and maps.components:
        above = sum(part.above_mean for part in maps.components)
        found['parsing'] = (
            f'{above} of {len(maps.components)} components above the mean map; mIoU {maps.mean_iou("iou"):.3f}, of the '
            f'mean map {maps.mean_iou("mean_map"):.3f}'
        )
    if maps is not None and maps.rain:
        errors = [f'{RAIN_MAPS[line.name]} {line.mae:.3f} (constant {line.mae_of_mean:.3f})' for line in maps.rain]
        found['rain maps'] = '; '.join([f'MAE {", ".join(errors)}', *_correlations(maps)])
    layers = audit.layers
    small = [f'{small} of {total} in {slot}' for slot, (small, total) in layers.small_of_slot.items() if small]
    found['layers'] = f'{len(layers.small)} of {layers.total} below 1/100 of their initial size' + (
        f': {", ".join(small)}' if small else ''
    )
    if small:
        found['small layers'] = f'{len(layers.dead)} of {len(layers.small)} without effect'
    return found


def _correlations(maps: MapsAudit) -> list[str]:
    return [f'corr({name}) = {value:.2f}' for name, value in maps.correlations.items()]


def _slots(audit: Audit) -> str:
    keys = list(audit.scores)
    rows = [['slot', 'replacement', *(f'{key} gain' + (' in dB' if unit(key) == 'dB' else '') for key in keys)]]
    for slot in audit.slots:
        name = slot.slot
        for replacement, gains in slot.gains.items():
            rows.append([name, replacement, *(_interval(gains[key], digits(key)) for key in keys)])
            name = ''
    lines = []
    if len(rows) > 1:
        lines = ['Slots: score of the model minus its score with a replacement of the output of one slot (mean, '
                 '95 % interval); positive: the slot improves the score', table(rows), '']  # fmt: skip
    lines += [f'{slot.slot}: {slot.finding}' for slot in audit.slots if slot.gains]
    for slot in audit.slots:
        if slot.constant:
            lines.append(f'{slot.slot}: the same for all faces: {", ".join(slot.constant)}')
    return '\n'.join(lines)


def _interval(gain: object, places: int) -> str:
    mean, low, high = (f'{getattr(gain, end):+.{places}f}' for end in ('mean', 'low', 'high'))
    return f'{mean} ({low} to {high})'


def _maps(maps: MapsAudit) -> str:
    sections = []
    if maps.components:
        keys = ('iou', 'mean_map', 'iou_full', 'bound_full')
        rows = [['component', 'IoU', 'mean map', 'full size: IoU', 'true labels', '']]
        for part in maps.components:
            note = '' if part.above_mean or math.isnan(part.iou) else 'not above the mean map'
            rows.append([part.component, *(_number(getattr(part, key)) for key in keys), note])
        rows.append(['mean', *(_number(maps.mean_iou(key)) for key in keys), ''])
        above = sum(part.above_mean for part in maps.components)
        sections.append(
            'Parsing: IoU of the parser and of the mean map of the training masks; at full size, IoU of the parser and '
            f'of the low-resolution ground truth\n{table(rows)}\n'
            f'{above} of {len(maps.components)} components are above the mean map'
        )
    if maps.rain:
        rows = [['map', 'MAE', 'training mean', '']]
        for line in maps.rain:
            note = '' if line.mae < line.mae_of_mean else 'not better than a constant'
            rows.append([f'{RAIN_MAPS[line.name]} ({line.name})', f'{line.mae:.4f}', f'{line.mae_of_mean:.4f}', note])
        lines = ['Rain maps: mean absolute error in [0, 1]', table(rows), ', '.join(_correlations(maps))]
        sections.append('\n'.join(lines).rstrip())
    return '\n\n'.join(sections)


def _layers(layers: LayersAudit) -> str:
    lines = [
        f'Layers: {len(layers.small)} of {layers.total} convolutions and linear layers have weights below 1/100 of '
        f'their initial size (mean absolute values); {len(layers.dead)} of them have no effect'
    ]
    for slot, (small, total) in layers.small_of_slot.items():
        if small:
            lines.append(f'{slot}: {small} of {total} small')
    listed = list(layers.small.items())
    lines += [
        f'  {name}  {ratio:.1e} of its initial size{", no effect" * (name in layers.dead)}'
        for name, ratio in listed[:LISTED]
    ]
    if len(listed) > LISTED:
        lines.append(f'  and {len(listed) - LISTED} more, all in the JSON')
    return '\n'.join(lines)


def _discriminators(found: DiscriminatorsAudit) -> str:
    rows = [['discriminator', *LOGGED]]
    for name, values in found.discriminators.items():
        rows.append([name, *(f'{values[key]:.3f}' for key in LOGGED)])
    targets = {IMAGE: 'of the image', GENERATOR: "of the generator's weights", ALL: 'of all weights'}
    shares = {target: found.shares(target) for target in targets}
    gradients = [['loss term', *targets.values()]]
    for name in found.gradient_norms:
        gradients.append([name, *(f'{shares[target][name]:.1e}' for target in targets)])
    return '\n'.join(
        ['Discriminators, in training mode', table(rows), '', 'Fractions of the gradient norm, for one batch',
         table(gradients)]
    )  # fmt: skip


def _number(value: float) -> str:
    return '-' if math.isnan(value) else f'{value:.3f}'
