"""What is compared: a Python config that names the methods, their configs and what is claimed of them."""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from mmengine.config import Config

from rainrestore.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = ROOT / 'configs' / 'benchmarks'


@dataclass(frozen=True)
class Method:
    """A row of the table.

    A method with neither ``checkpoint`` nor ``checkpoint_of`` is trained on ``config``; the others are free rows.

    Args:
        name: Its key in the benchmark and the folder of its runs.
        config: The config that is trained and tested.
        label: Its name in the table and the pictures.
        first: A config that is trained on the first half of the budget, as the source of the weights.
        warm_up: Changes to ``model`` while ``--warm-up`` lasts, for methods whose full loss is expensive.
        pretrained: Zoo models that its slots start from; the faces that these have seen are named in the table.
        checkpoint: A file, ``rainrestore://NAME``, or ``'none'`` where nothing is learned.
        checkpoint_of: Another method, whose weights this row shows in another use.
        paper: PSNR and SSIM as published.
        needs: Packages of an optional row; without them it is left out, and the table says so.
        oracle: Whether the row is told something that no method knows; it is kept out of the chart.
    """

    name: str
    config: Path
    label: str
    first: Path | None = None
    warm_up: Mapping[str, Any] | None = None
    pretrained: tuple[str, ...] = ()
    checkpoint: str | None = None
    checkpoint_of: str | None = None
    paper: tuple[float, float] | None = None
    needs: tuple[str, ...] = ()
    oracle: bool = False

    @property
    def missing(self) -> list[str]:
        """The packages that it needs and that are not installed."""
        return [package for package in self.needs if importlib.util.find_spec(package) is None]

    @property
    def trained(self) -> bool:
        """Whether the benchmark trains it."""
        return self.checkpoint is None and self.checkpoint_of is None


@dataclass(frozen=True)
class Benchmark:
    """The methods in the order of the table.

    Args:
        name: Of the files that are written.
        title: Heading of the table.
        methods: By name.
        claims: Pairs (better, worse, difference of PSNR in dB as published).
        metrics: Configs of metrics beside PSNR and SSIM.
    """

    name: str
    title: str
    methods: Mapping[str, Method]
    claims: tuple[tuple[str, str, float], ...] = ()
    metrics: tuple[Mapping[str, Any], ...] = ()

    def choose(self, names: list[str] | None) -> list[Method]:
        """The named methods in the order of the table, with those whose weights they use; all without names.

        Raises:
            ConfigError: An unknown name.
        """
        unknown = sorted(set(names or ()) - self.methods.keys())
        if unknown:
            raise ConfigError(f'{self.name} has no method {unknown[0]!r}; it has {", ".join(self.methods)}')
        wanted = set(names or self.methods)
        wanted |= {source for name in wanted if (source := self.methods[name].checkpoint_of)}
        return [method for name, method in self.methods.items() if name in wanted]


def load_benchmark(spec: str) -> Benchmark:
    """Read a benchmark.

    Args:
        spec: A name in ``configs/benchmarks``, or the path of a file of that form: ``title``, ``methods`` (name ->
            fields of :class:`Method`; paths are relative to the file) and optionally ``claims`` and ``metrics``.

    Raises:
        ConfigError: No such file, or an entry that does not fit; the message names it.
    """
    path = Path(spec) if spec.endswith('.py') else BENCHMARKS / f'{spec}.py'
    if not path.is_file():
        known = ', '.join(sorted(file.stem for file in BENCHMARKS.glob('*.py'))) or 'none'
        raise ConfigError(f'{path}: no such benchmark; by name there are {known}, others are given as a path to a .py')
    content = Config.fromfile(path).to_dict()
    missing = [key for key in ('title', 'methods') if not content.get(key)]
    if missing:
        raise ConfigError(f'{path} lacks {missing[0]!r}')
    methods = {name: _method(name, entry, path) for name, entry in content['methods'].items()}
    for method in methods.values():
        source = method.checkpoint_of
        if source is not None and not (source in methods and methods[source].trained):
            raise ConfigError(f'{path}: {method.name}: checkpoint_of={source!r} is no method that is trained')
    claims = tuple((better, worse, float(gap)) for better, worse, gap in content.get('claims', ()))
    for better, worse, _ in claims:
        if not {better, worse} <= methods.keys():
            raise ConfigError(f'{path}: claims name {better!r} and {worse!r}, which are not both methods')
    return Benchmark(path.stem, content['title'], methods, claims, tuple(content.get('metrics', ())))


def _method(name: str, entry: Mapping[str, Any], path: Path) -> Method:
    known = {field.name for field in fields(Method)} - {'name'}
    unknown = sorted(entry.keys() - known)
    if unknown:
        raise ConfigError(f'{path}: {name}: no field {unknown[0]!r}; there are {", ".join(sorted(known))}')
    lacking = sorted({'config', 'label'} - entry.keys())
    if lacking:
        raise ConfigError(f'{path}: {name} lacks {lacking[0]!r}')
    values = dict(entry)
    for key in ('config', 'first'):
        if key in values:
            values[key] = (path.parent / values[key]).resolve()
            if not values[key].is_file():
                raise ConfigError(f'{path}: {name}: {key}: no file {values[key]}')
    for key in ('pretrained', 'paper', 'needs'):
        if key in values:
            values[key] = tuple(values[key])
    return Method(name=name, **values)
