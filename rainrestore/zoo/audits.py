"""The audits of the zoo's models: measured, stated in the index, verified."""

import copy
from pathlib import Path

from rainrestore.audit import Audit, audit, cheap_audit
from rainrestore.engine.config import load_config
from rainrestore.zoo.index import Entry, Zoo, read_index, write_index
from rainrestore.zoo.measurements import checkpoint_of, find_entry

#: The finding that does not depend on the faces, and so is verified on any.
LAYERS = 'layers'


def measure_audit(entry: Entry, data: Path, cheap: bool = False) -> Audit:
    """Audit a model of the index.

    Args:
        entry: Of the index.
        data: The folder ``{train,val,test}/{img,mask}``.
        cheap: Only dead layers, constant outputs and the maps.
    """
    name = entry['Name']
    config = load_config(Zoo.of(name).config(entry))
    return (cheap_audit if cheap else audit)(config, checkpoint_of(entry), name=name, data_root=data)


def stated_audit(entry: Entry) -> dict[str, str]:
    """Part -> the stated finding; empty if the entry states no audit."""
    return entry.get('Audit', {}).get('Findings', {})


def enter_audit(name: str, dataset: str, findings: dict[str, str]) -> None:
    """Write the findings of an audit into the index that has the model, in the place of older ones."""
    zoo = Zoo.of(name)
    document = copy.deepcopy(read_index(zoo))
    find_entry(name, document)['Audit'] = {'Dataset': dataset, 'Findings': findings}
    write_index(document, zoo)
