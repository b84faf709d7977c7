"""The keys and values of the index of a zoo, and their check."""

import re
from collections.abc import Callable, Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from rainrestore.arguments import shown
from rainrestore.errors import RainRestoreError
from rainrestore.rules import COUNT, NUMBER, Rule, is_number
from rainrestore.suggest import did_you_mean


class ZooIndexError(RainRestoreError):
    """The index of a zoo has an invalid entry or key. The message names it."""


def required(rule: Rule) -> Rule:
    """The same rule for a required key."""
    return rule._replace(required=True)


def _matches(pattern: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _list_of(is_valid: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(is_valid, value))


def _names_with(is_valid: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: (
        isinstance(value, dict) and all(isinstance(name, str) and is_valid(value[name]) for name in value)
    )


NAME_PATTERN = r'[a-z0-9_]{1,100}'
_is_name = _matches(NAME_PATTERN)

TEXT = Rule('a text', _is_text)
TEXTS = Rule('a list of texts', _list_of(_is_text))
NAME = Rule('a name of lower-case letters, digits and _', _is_name)
NAMES = Rule('a list of names', _list_of(_is_name))
#: A file in the folder of the zoo, not hidden.
WEIGHTS = Rule('the name of a .safetensors file, without a folder', _matches(r'\w[\w.-]*\.safetensors'))
LOG = Rule('the name of a .json file, without a folder', _matches(r'\w[\w.-]*\.json'))
CONFIG = Rule('the path of a .py file', _matches(r'.+\.py'))
IMAGE = Rule('the path of a .png or .jpg file', _matches(r'.+\.(png|jpg)'))
SHA256 = Rule('64 hexadecimal digits', _matches(r'[0-9a-f]{64}'))
SWITCH = Rule('true or false', lambda value: isinstance(value, bool))
MAPPING = Rule('names with values', _names_with(lambda value: True))
PARTS = Rule('slots with the names of models', _names_with(_is_name))
TEXTS_BY_NAME = Rule('names with texts', _names_with(_is_text))
METRICS = Rule('names with numbers', lambda value: bool(value) and _names_with(is_number)(value))
MAPPINGS = Rule('a list of names with values', _list_of(MAPPING.is_valid))
INTERVAL = Rule(
    'a difference and the two ends of its interval', lambda value: _list_of(is_number)(value) and len(value) == 3
)

TOP = {
    'Collections': MAPPINGS,
    'Datasets': MAPPINGS,
    'Licences': TEXTS_BY_NAME,
    'Models': required(MAPPINGS),
    'References': MAPPINGS,
    'Comparisons': MAPPINGS,
}
COLLECTION = {'Name': required(TEXT), 'Metadata': MAPPING, 'Paper': MAPPING, 'README': TEXT}
DATASET = {'Name': required(TEXT), 'Faces': required(COUNT), 'Description': TEXT}
#: The metadata of a training; other keys are allowed.
METADATA = {
    'Training Data': TEXT,
    'Faces': COUNT,
    'Seed': COUNT,
    'Hardware': TEXT,
    'Hours': NUMBER,
    'Rain': TEXT,
    'Pretrained': NAMES,
    'Schedule': TEXT,
    'Training Config': CONFIG,
    'Parameters': COUNT,
    # Per input, in batches of 16 on one CPU core.
    'Milliseconds': NUMBER,
    'Commands': TEXTS,
}
MODEL = {
    'Name': required(NAME),
    'In Collection': TEXT,
    'Task': TEXT,
    # A row of the table "which model for which task", and an image of results.
    'Use': TEXT,
    'Picture': IMAGE,
    'Config': required(CONFIG),
    'Metadata': required(MAPPING),
    'Results': MAPPINGS,
    'Audit': MAPPING,
    'Weights': required(WEIGHTS),
    'SHA256': required(SHA256),
    'Bytes': required(COUNT),
    'Parts': PARTS,
    'Licence': required(TEXT),
    'Log': LOG,
    # setup.py includes only the weights of models with ``In Wheel: true`` in the wheel.
    'In Wheel': SWITCH,
}
#: A method for comparison, without weights (``none``), with those of a zoo model, or with weights outside the zoo.
REFERENCE = {
    'Name': required(NAME),
    'Title': required(TEXT),
    # Default: Face restoration.
    'Task': TEXT,
    'Config': required(CONFIG),
    'Checkpoint': required(TEXT),
    'Metadata': MAPPING,
    'Results': MAPPINGS,
}
#: The findings of an audit.
AUDIT = {'Dataset': required(TEXT), 'Findings': required(TEXTS_BY_NAME)}
RESULT = {'Task': TEXT, 'Dataset': required(TEXT), 'Metrics': required(METRICS)}
COMPARISON = {
    'Model': required(NAME),
    'Reference': required(NAME),
    'Dataset': required(TEXT),
    'PSNR': required(INTERVAL),
    'SSIM': INTERVAL,
}

#: Sections with named entries.
SECTIONS = {'Collections': COLLECTION, 'Datasets': DATASET, 'Models': MODEL, 'References': REFERENCE}


def check_index(document: Any, origin: object) -> None:
    """Check a whole index.

    Args:
        document: The content of the file.
        origin: Name of the file, for messages.

    Raises:
        ZooIndexError: A key is missing, unknown or has an invalid value; or a name is not unique or unknown.
    """
    if not isinstance(document, dict):
        raise ZooIndexError(f'{origin} must be a mapping with the keys {", ".join(TOP)}')
    _check(document, TOP, str(origin))
    for section, keys in SECTIONS.items():
        names = set()
        for number, entry in enumerate(document.get(section, []), 1):
            where = f'{origin}: {section}, {entry.get("Name", f"number {number}")}'
            _check(entry, keys, where)
            if entry['Name'] in names:
                raise ZooIndexError(f'{where}: two entries have this name')
            names.add(entry['Name'])
    for number, comparison in enumerate(document.get('Comparisons', []), 1):
        _check(comparison, COMPARISON, f'{origin}: Comparisons, number {number}')
    _check_entries(document, origin)


def check_metadata(metadata: Mapping[str, Any], where: str) -> None:
    """Check the metadata of a training; other keys are allowed.

    Raises:
        ZooIndexError: See :func:`check_index`.
    """
    _check(metadata, METADATA, where, others=True)


def _check(entry: Mapping[str, Any], keys: Mapping[str, Rule], where: str, others: bool = False) -> None:
    for name, rule in keys.items():
        if name not in entry:
            if rule.required:
                raise ZooIndexError(f'{where}: {name} is missing; it must be {rule.description}')
        elif not rule.is_valid(entry[name]):
            raise ZooIndexError(f'{where}: {name} is {shown(entry[name])}, it must be {rule.description}')
    if not others and (unknown := [name for name in entry if name not in keys]):
        guess = did_you_mean(str(unknown[0]), keys) or f'; the keys are {", ".join(keys)}'
        raise ZooIndexError(f'{where}: unknown key {unknown[0]!r}{guess}')


def _check_entries(document: Mapping[str, Any], origin: object) -> None:
    """Check the references between entries."""
    models = {entry['Name']: entry for entry in document['Models']}
    names = {section: [entry['Name'] for entry in document.get(section, [])] for section in SECTIONS}
    datasets, references = names['Datasets'], names['References']
    for entry in (*models.values(), *document.get('References', [])):
        name = entry['Name']
        where = f'{origin}: {name}'
        check_metadata(entry.get('Metadata', {}), f'{where}, Metadata')
        if name in models and name in references:
            raise ZooIndexError(f'{where} is both a model and a reference')
        if 'In Collection' in entry:
            _among(entry['In Collection'], names['Collections'], f'{where}: In Collection', 'collection')
        for part in entry.get('Parts', {}).values():
            _among(part, models, f'{where}: Parts', 'model')
        if 'Audit' in entry:
            _check(entry['Audit'], AUDIT, f'{where}: Audit')
            if datasets:
                _among(entry['Audit']['Dataset'], datasets, f'{where}: Audit', 'data set')
        measured = set()
        for result in entry.get('Results', []):
            _check(result, RESULT, f'{where}: Results')
            if datasets:
                _among(result['Dataset'], datasets, f'{where}: Results', 'data set')
            if result['Dataset'] in measured:
                raise ZooIndexError(f'{where}: Results has two entries for the data set {result["Dataset"]}')
            measured.add(result['Dataset'])
    try:
        TopologicalSorter({name: models[name].get('Parts', {}).values() for name in models}).prepare()
    except CycleError as error:
        cycle = error.args[1][::-1]
        raise ZooIndexError(f'{origin}: {cycle[0]}: Parts contains the model itself: {", ".join(cycle)}') from error
    for comparison in document.get('Comparisons', []):
        where = f'{origin}: Comparisons'
        for key in ('Model', 'Reference'):
            _among(comparison[key], [*models, *references], f'{where}: {key}', 'model or reference')
        _among(comparison['Dataset'], datasets, f'{where}: Dataset', 'data set')


def _among(name: str, known: Iterable[str], where: str, kind: str) -> None:
    if name not in (known := list(known)):
        guess = did_you_mean(name, known) or f'; there are {", ".join(known) or "none"}'
        raise ZooIndexError(f'{where} names the {kind} {name!r}, which does not exist{guess}')
