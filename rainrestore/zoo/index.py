"""The index of a zoo, ``model-index.yml``: its models and their metadata."""

import copy
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile
from pathlib import Path
from typing import Any

import yaml

from rainrestore.checkpoints import ZOO_SCHEME
from rainrestore.config_files import bundled_config
from rainrestore.errors import CheckpointError
from rainrestore.files import file_lock, make_folder, write_text
from rainrestore.suggest import did_you_mean
from rainrestore.zoo.schema import ZooIndexError, check_index

PACKAGE = Path(__file__).resolve().parents[1]
INDEX_NAME = 'model-index.yml'
#: Environment variable with the folder of the user's zoo, which ``rainrestore publish --zoo`` creates.
ZOO_VARIABLE = 'RAINRESTORE_ZOO'

Entry = dict[str, Any]


@dataclass(frozen=True)
class Zoo:
    """The location of a zoo.

    Attributes:
        index: Path of the index.
        files: Folder of the weights and logs.
    """

    index: Path
    files: Path

    @staticmethod
    def bundled() -> 'Zoo':
        """The zoo of the package. In an installation the index is inside the package (copied by setup.py), in a
        clone beside it."""
        # First inside: in site-packages, a file of this name may belong to another package.
        copies = [folder / INDEX_NAME for folder in (PACKAGE, PACKAGE.parent)]
        return Zoo(next((path for path in copies if path.is_file()), copies[-1]), PACKAGE / 'assets' / 'zoo')

    @staticmethod
    def at(folder: Path | str) -> 'Zoo':
        """The zoo in a folder with its index."""
        return Zoo(Path(folder) / INDEX_NAME, Path(folder))

    @staticmethod
    def own() -> 'Zoo | None':
        """The user's zoo, in the folder ``RAINRESTORE_ZOO``; None if it is not set."""
        folder = os.environ.get(ZOO_VARIABLE)
        return Zoo.at(Path(folder).expanduser()) if folder else None

    @staticmethod
    def of(name: str) -> 'Zoo':
        """The user's zoo if it has a model of this name, else the zoo of the package."""
        own = Zoo.own()
        return own if own and name.removeprefix(ZOO_SCHEME) in models(own) else Zoo.bundled()

    def config(self, entry: Entry) -> Path:
        """The config file of a model: in the folder of its weights, or in the package.

        Raises:
            ConfigError: No such file.
        """
        beside = self.files / entry['Config']
        return beside if beside.is_file() else bundled_config(entry['Config'])


def read_index(zoo: Zoo | None = None) -> dict[str, Any]:
    """Read and check an index (:mod:`rainrestore.zoo.schema`); without a file, the result has no models.

    The result is cached: copy it before you change it.

    Raises:
        ZooIndexError: The file is not YAML, or an entry is invalid.
    """
    path = (zoo or Zoo.bundled()).index
    if not path.is_file():
        return {'Models': []}
    status = path.stat()
    return _read(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=8)
def _read(path: Path, changed: int, size: int) -> dict[str, Any]:
    """Read an index. Cached by time and size of the file, because parsing YAML is slow."""
    try:
        document = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ZooIndexError(f'{path} is not valid YAML ({error})') from error
    check_index(document, path)
    return document


@contextmanager
def changed_index(zoo: Zoo) -> Iterator[dict[str, Any]]:
    """Change an index: yields a copy of it, which is written when the block ends without error.

    Meanwhile other processes that change the index wait.

    Raises:
        ZooIndexError: An entry is invalid; the file is not changed.
    """
    make_folder(zoo.index.parent)
    with file_lock(zoo.index.with_name(f'.{INDEX_NAME}.lock')):
        document = copy.deepcopy(read_index(zoo))
        yield document
        write_index(document, zoo)


def write_index(document: dict[str, Any], zoo: Zoo) -> None:
    """Write an index; the comment at the beginning of the file is kept.

    Raises:
        ZooIndexError: An entry is invalid; the file is not changed.
    """
    check_index(document, zoo.index)
    before = zoo.index.read_text(encoding='utf-8') if zoo.index.is_file() else ''
    comment = takewhile(lambda line: line.startswith('#'), before.splitlines())
    write_text(zoo.index, '\n'.join([*comment, index_text(document)]))


def index_text(document: dict[str, Any]) -> str:
    """An index as YAML: entries as blocks, lists and mappings of numbers on one line."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=116, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    """Writes lists and mappings that contain only numbers and names on one line."""

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> Any:
        return super().represent_sequence(tag, sequence, flow_style=all(map(_is_short, sequence)))

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> Any:
        return super().represent_mapping(tag, mapping, flow_style=all(map(_is_short, mapping.values())))

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _is_short(value: Any) -> bool:
    return isinstance(value, (int, float)) or (isinstance(value, str) and value.isidentifier())


def models(zoo: Zoo | None = None) -> dict[str, Entry]:
    """The models of a zoo: name -> entry. Without a zoo, the models of the package and of ``RAINRESTORE_ZOO``.

    Raises:
        ZooIndexError: Both have a model of the same name.
    """
    found = {entry['Name']: entry for entry in read_index(zoo)['Models']}
    own = Zoo.own() if zoo is None else None
    added = {entry['Name']: entry for entry in read_index(own)['Models']} if own else {}
    if own and (both := sorted(found.keys() & added.keys())):
        raise ZooIndexError(f'{own.index}: {both[0]} is also a model of the package; publish yours under another name')
    return found | added


def zoo_entry(name: str, zoo: Zoo | None = None) -> Entry:
    """The index entry of a zoo model; the name may have the prefix ``rainrestore://``.

    Raises:
        CheckpointError: No such model. The message has the nearest name and all names.
    """
    name = name.removeprefix(ZOO_SCHEME)
    known = models(zoo)
    if name not in known:
        listed = ', '.join(sorted(known)) or 'none'
        own = Zoo.own() if zoo is None else None
        empty = f'. {ZOO_VARIABLE} is set, but there is no {own.index}' if own and not own.index.is_file() else ''
        raise CheckpointError(f'no zoo model is named {name!r}{did_you_mean(name, known)}. Models: {listed}{empty}')
    return known[name]
