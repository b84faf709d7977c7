"""What an index of models may say, and how it is told what it says wrongly."""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from rainrestore.errors import RainRestoreError
from rainrestore.suggest import did_you_mean


class ZooIndexError(RainRestoreError):
    """The index of a zoo has an entry or a key that it cannot have; the message names both."""


class Kind(NamedTuple):
    """What the value of a key is: in words, and as a test."""

    said: str
    holds: Callable[[Any], bool]


class Key(NamedTuple):
    """A key of a mapping: of what kind its value is, and whether it has to be there."""

    kind: Kind
    required: bool = False


def _matches(pattern: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _list_of(holds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(holds, value))


def _names_with(holds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(isinstance(name, str) and holds(value[name]) for name in value)


NAME_PATTERN = r'[a-z0-9_]+'
_is_name = _matches(NAME_PATTERN)

TEXT = Kind('a text', _is_text)
TEXTS = Kind('a list of texts', _list_of(_is_text))
COUNT = Kind('a whole number', _is_count)
NUMBER = Kind('a number', _is_number)
NAME = Kind('a name of lower-case letters, digits and _', _is_name)
NAMES = Kind('a list of names', _list_of(_is_name))
#: A file of the zoo's own folder: no name that leads out of it, and none that is hidden.
WEIGHTS = Kind('the name of a .safetensors file, without a folder', _matches(r'\w[\w.-]*\.safetensors'))
LOG = Kind('the name of a .json file, without a folder', _matches(r'\w[\w.-]*\.json'))
CONFIG = Kind('the path of a .py file', _matches(r'.+\.py'))
SHA256 = Kind('64 hexadecimal digits', _matches(r'[0-9a-f]{64}'))
SWITCH = Kind('true or false', lambda value: isinstance(value, bool))
MAPPING = Kind('names with values', _names_with(lambda value: True))
PARTS = Kind('slots with the names of models', _names_with(_is_name))
TEXTS_BY_NAME = Kind('names with texts', _names_with(_is_text))
METRICS = Kind('names with numbers', lambda value: bool(value) and _names_with(_is_number)(value))
MAPPINGS = Kind('a list of names with values', _list_of(MAPPING.holds))
INTERVAL = Kind(
    'a difference and the two ends of its interval', lambda value: _list_of(_is_number)(value) and len(value) == 3
)

TOP = {
    'Collections': Key(MAPPINGS),
    'Datasets': Key(MAPPINGS),
    'Licences': Key(TEXTS_BY_NAME),
    'Models': Key(MAPPINGS, required=True),
    'References': Key(MAPPINGS),
    'Comparisons': Key(MAPPINGS),
}
COLLECTION = {'Name': Key(TEXT, required=True), 'Metadata': Key(MAPPING), 'Paper': Key(MAPPING), 'README': Key(TEXT)}
DATASET = {'Name': Key(TEXT, required=True), 'Faces': Key(COUNT, required=True), 'Description': Key(TEXT)}
#: What is known of a training. Others than these are whatever the publisher says.
METADATA = {
    'Training Data': Key(TEXT),
    'Faces': Key(COUNT),
    'Seed': Key(COUNT),
    'Hardware': Key(TEXT),
    'Hours': Key(NUMBER),
    'Rain': Key(TEXT),
    'Pretrained': Key(NAMES),
    'Schedule': Key(TEXT),
    'Training Config': Key(CONFIG),
    'Parameters': Key(COUNT),
    'Commands': Key(TEXTS),
}
MODEL = {
    'Name': Key(NAME, required=True),
    'In Collection': Key(TEXT),
    'Task': Key(TEXT),
    'Config': Key(CONFIG, required=True),
    'Metadata': Key(MAPPING, required=True),
    'Results': Key(MAPPINGS),
    'Audit': Key(MAPPING),
    'Weights': Key(WEIGHTS, required=True),
    'SHA256': Key(SHA256, required=True),
    'Bytes': Key(COUNT, required=True),
    'Parts': Key(PARTS),
    'Licence': Key(TEXT, required=True),
    'Log': Key(LOG),
    # setup.py leaves the weights of others out.
    'In Wheel': Key(SWITCH),
}
#: What models are measured against, whose weights, if it has any of its own, are not in the zoo.
REFERENCE = {
    'Name': Key(NAME, required=True),
    'Title': Key(TEXT, required=True),
    # Face restoration, where none is said.
    'Task': Key(TEXT),
    'Config': Key(CONFIG, required=True),
    'Checkpoint': Key(TEXT, required=True),
    'Metadata': Key(MAPPING),
    'Results': Key(MAPPINGS),
}
#: What each part of a model is worth, in words.
AUDIT = {'Dataset': Key(TEXT, required=True), 'Verdicts': Key(TEXTS_BY_NAME, required=True)}
RESULT = {'Task': Key(TEXT), 'Dataset': Key(TEXT, required=True), 'Metrics': Key(METRICS, required=True)}
COMPARISON = {
    'Model': Key(NAME, required=True),
    'Reference': Key(NAME, required=True),
    'Dataset': Key(TEXT, required=True),
    'PSNR': Key(INTERVAL, required=True),
    'SSIM': Key(INTERVAL),
}

#: Those whose entries have names.
SECTIONS = {'Collections': COLLECTION, 'Datasets': DATASET, 'Models': MODEL, 'References': REFERENCE}


def check_index(document: Any, origin: object) -> None:
    """Check all that an index says.

    Args:
        document: What the file holds.
        origin: What to call it.

    Raises:
        ZooIndexError: A key is missing, unknown or of the wrong kind; a name is given twice or stands for nothing.
    """
    if not isinstance(document, dict):
        raise ZooIndexError(f'{origin} holds no names with values; its keys are {", ".join(TOP)}')
    _check(document, TOP, str(origin))
    for section, keys in SECTIONS.items():
        seen = set()
        for number, entry in enumerate(document.get(section, []), 1):
            where = f'{origin}: {section}, {entry.get("Name", f"number {number}")}'
            _check(entry, keys, where)
            if entry['Name'] in seen:
                raise ZooIndexError(f'{where}: there are two of this name')
            seen.add(entry['Name'])
    for number, comparison in enumerate(document.get('Comparisons', []), 1):
        _check(comparison, COMPARISON, f'{origin}: Comparisons, number {number}')
    _check_entries(document, origin)


def check_metadata(metadata: Mapping[str, Any], where: str) -> None:
    """Check what is said of a training; keys of the publisher's own are let through.

    Raises:
        ZooIndexError: As :func:`check_index`.
    """
    _check(metadata, METADATA, where, others=True)


def _check(entry: Mapping[str, Any], keys: Mapping[str, Key], where: str, others: bool = False) -> None:
    for name, key in keys.items():
        if name not in entry:
            if key.required:
                raise ZooIndexError(f'{where}: {name} is missing; it is {key.kind.said}')
        elif not key.kind.holds(entry[name]):
            raise ZooIndexError(f'{where}: {name} is {_short(entry[name])}, and should be {key.kind.said}')
    unknown = [name for name in entry if name not in keys]
    if unknown and not others:
        guess = did_you_mean(str(unknown[0]), keys) or f'; the keys are {", ".join(keys)}'
        raise ZooIndexError(f'{where}: {unknown[0]!r} is no key of it{guess}')


def _check_entries(document: Mapping[str, Any], origin: object) -> None:
    """What one entry says of another."""
    models = {entry['Name']: entry for entry in document['Models']}
    collections = [entry['Name'] for entry in document.get('Collections', [])]
    datasets = [entry['Name'] for entry in document.get('Datasets', [])]
    references = [entry['Name'] for entry in document.get('References', [])]
    for entry in (*models.values(), *document.get('References', [])):
        name = entry['Name']
        where = f'{origin}: {name}'
        check_metadata(entry.get('Metadata', {}), f'{where}, Metadata')
        if name in models and name in references:
            raise ZooIndexError(f'{where} is both a model and a reference')
        if 'In Collection' in entry:
            _among(entry['In Collection'], collections, f'{where}: In Collection', 'collection')
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
                raise ZooIndexError(f'{where}: Results has two of the data set {result["Dataset"]}')
            measured.add(result['Dataset'])
    for name in models:
        _check_parts(name, models, (), origin)
    for comparison in document.get('Comparisons', []):
        where = f'{origin}: Comparisons'
        for key in ('Model', 'Reference'):
            _among(comparison[key], [*models, *references], f'{where}: {key}', 'model or reference')
        _among(comparison['Dataset'], datasets, f'{where}: Dataset', 'data set')


def _check_parts(name: str, models: Mapping[str, Any], above: tuple[str, ...], origin: object) -> None:
    if name in above:
        raise ZooIndexError(f'{origin}: {name}: Parts leads back to it, over {", ".join((*above, name))}')
    for part in models[name].get('Parts', {}).values():
        _check_parts(part, models, (*above, name), origin)


def _among(name: str, known: Iterable[str], where: str, what: str) -> None:
    if name not in (known := list(known)):
        guess = did_you_mean(name, known) or f'; there are {", ".join(known) or "none"}'
        raise ZooIndexError(f'{where} names the {what} {name!r}, which is none{guess}')


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f'{text[:57]}...'
