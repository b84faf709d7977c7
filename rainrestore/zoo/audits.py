"""The audits of zoo models: measure them, read them from the index, write them to the index."""

from pathlib import Path

from rainrestore.audit import Audit, audit, cheap_audit
from rainrestore.engine.config import load_config
from rainrestore.zoo.index import Entry, Zoo
from rainrestore.zoo.measurements import changed_entry, checkpoint_of

#: The finding that does not depend on the faces, so that it can be verified with any faces.
LAYERS = 'layers'


def measure_audit(entry: Entry, data: Path, cheap: bool = False) -> Audit:
    """Audit a model of the index.

    Args:
        entry: Entry of the model in the index.
        data: The folder ``{train,val,test}/{img,mask}``.
        cheap: Whether to measure only small layers, constant outputs and maps.
    """
    name = entry['Name']
    config = load_config(Zoo.of(name).config(entry))
    return (cheap_audit if cheap else audit)(config, checkpoint_of(entry), name=name, data_root=data)


def stated_audit(entry: Entry) -> dict[str, str]:
    """Part -> finding in the index; empty if the entry has no audit."""
    return entry.get('Audit', {}).get('Findings', {})


def enter_audit(audited: Entry, dataset: str, findings: dict[str, str]) -> None:
    """Write the findings of an audit into the index of the model; older findings are replaced.

    Args:
        audited: The entry of the model before the audit.
        dataset: The data set.
        findings: Part -> finding.

    Raises:
        RunError: See :func:`~rainrestore.zoo.measurements.changed_entry`.
    """
    with changed_entry(audited) as (entry, _):
        entry['Audit'] = {'Dataset': dataset, 'Findings': findings}
