"""An audit as a figure."""

from pathlib import Path
from typing import Any

from rainrestore.audit.ablation import REPLACEMENTS, unit
from rainrestore.audit.core import Audit
from rainrestore.visualization.panels import panels

#: Column of the parsing -> its label.
COLUMNS = {'iou': 'parser', 'mean_map': 'mean map of the training masks'}
BAR = 0.8


def plot_audit(audit: Audit, path: Path | str) -> Path:
    """Draw the gain of each slot over each replacement, the IoU of parser and mean map, and the small layers.

    Args:
        audit: The audit to draw.
        path: The image file; its suffix selects the format. Folders are created.

    Returns:
        The path.

    Raises:
        MissingPackageError, ConfigError: See :func:`~rainrestore.visualization.panels.panels`.
    """
    drawn = []
    if any(slot.gains for slot in audit.slots):
        drawn.append(_draw_gains)
    if audit.maps is not None and audit.maps.components:
        drawn.append(_draw_parsing)
    drawn.append(_draw_layers)
    path = Path(path)
    with panels(path, len(drawn), f'{audit.name}, {audit.faces} faces') as every:
        for draw, axes in zip(drawn, every, strict=True):
            draw(axes, audit)
            axes.grid(alpha=0.3, axis='y')
    return path


def _draw_gains(axes: Any, audit: Audit) -> None:
    key = next(iter(audit.scores))
    slots = [slot for slot in audit.slots if slot.gains]
    width = BAR / len(REPLACEMENTS)
    for number, (replacement, words) in enumerate(REPLACEMENTS.items()):
        places = [place for place, slot in enumerate(slots) if replacement in slot.gains]
        gains = [slots[place].gains[replacement][key] for place in places]
        if gains:
            axes.bar(
                [place + (number - 1) * width for place in places],
                [gain.mean for gain in gains],
                width,
                yerr=[[gain.mean - gain.low for gain in gains], [gain.high - gain.mean for gain in gains]],
                label=f'over {words}',
                capsize=2,
            )
    axes.set_xticks(range(len(slots)), [slot.slot for slot in slots], rotation=30, ha='right')
    axes.set_ylabel(f'gain in {unit(key)}')
    # Above the panel, because the bars fill it.
    axes.legend(fontsize='small', loc='lower center', bbox_to_anchor=(0.5, 1), ncols=3, frameon=False)


def _draw_parsing(axes: Any, audit: Audit) -> None:
    components = audit.maps.components if audit.maps is not None else []
    width = BAR / len(COLUMNS)
    for number, (key, label) in enumerate(COLUMNS.items()):
        places = [place + (number - 0.5) * width for place in range(len(components))]
        axes.bar(places, [getattr(part, key) for part in components], width, label=label)
    axes.set_xticks(range(len(components)), [part.component for part in components], rotation=45, ha='right')
    axes.set_ylabel('IoU')
    axes.legend(fontsize='small', loc='lower center', bbox_to_anchor=(0.5, 1), ncols=2, frameon=False)


def _draw_layers(axes: Any, audit: Audit) -> None:
    slots = audit.layers.small_of_slot
    axes.bar(list(slots), [100 * small / total for small, total in slots.values()])
    axes.set_ylim(0, 100)
    axes.set_ylabel('small layers in %')
