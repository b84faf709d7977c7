"""Specification of a benchmark: a Python config with the methods, their configs and published values."""

import importlib.util
from collections.abc import Collection, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from rainrestore.config_files import find_file, read_config
from rainrestore.errors import ConfigError
from rainrestore.suggest import did_you_mean


@dataclass(frozen=True)
class Module:
    """A module that is pre-trained for the methods that name it, with a fraction of their budget.

    It is trained once per seed. All methods that name it start from the same weights.

    Args:
        name: Key in the benchmark, and folder of the runs.
        config: The config to train.
        slot: The slot of the methods that is initialised with the weights.
        share: Fraction of ``--faces`` for the module, above 0 and below 1.
        batch: Batch size; None for ``--batch``.
        modules: Names of the pre-trained modules of this module.
    """

    name: str
    config: Path
    slot: str
    share: float
    batch: int | None = None
    modules: tuple[str, ...] = ()


@dataclass(frozen=True)
class Method:
    """A row of the table.

    A method without ``checkpoint`` and ``checkpoint_of`` is trained with ``config``; the others are not trained.

    Args:
        name: Key in the benchmark, and folder of the runs.
        config: The config to train and test.
        label: Name in the table and the figures.
        first: A config to train with the first half of the budget; its weights initialise the second half.
        warm_up: Changes of ``model`` during ``--warm-up``, for methods with an expensive loss.
        pretrained: Zoo models that initialise slots; the table states the number of their training faces.
        modules: Modules of the benchmark that initialise slots; their faces are part of the budget.
        checkpoint: A file, ``rainrestore://NAME``, or ``'none'`` for a method without weights.
        checkpoint_of: Another method, or a module, whose weights are used.
        zoo: Zoo model whose weights ``--zoo`` uses; None for the model of the ``checkpoint_of`` method, or, without
            such a method, the model with the name of the config. If the zoo has no such model, ``--zoo`` omits the row:
            name a model that does not exist if the weights with the name of the config have another recipe. Without
            effect on a method with ``checkpoint``.
        paper: Published PSNR and SSIM.
        needs: Packages of an optional row. If one is missing, the row is omitted, with a note under the table.
        oracle: Whether the input of the row includes ground truth; the chart omits the row.
        final_rate: Final learning rate of each stage, as a fraction of the learning rate of its config, after a cosine
            schedule; 1 for a constant learning rate.
    """

    name: str
    config: Path
    label: str
    first: Path | None = None
    warm_up: Mapping[str, Any] | None = None
    pretrained: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    checkpoint: str | None = None
    checkpoint_of: str | None = None
    zoo: str | None = None
    paper: tuple[float, float] | None = None
    needs: tuple[str, ...] = ()
    oracle: bool = False
    final_rate: float = 0.05

    @property
    def missing(self) -> list[str]:
        """The packages in ``needs`` that are not installed."""
        return [package for package in self.needs if importlib.util.find_spec(package) is None]

    @property
    def trained(self) -> bool:
        """Whether the benchmark trains the method."""
        return self.checkpoint is None and self.checkpoint_of is None


@dataclass(frozen=True)
class Task:
    """A task for which every method is trained and tested, with its own table.

    Args:
        name: Key in the benchmark, and folder of the runs.
        label: Name in the headings.
        config: A config whose data sets and pipelines replace those of every method.
    """

    name: str
    label: str
    config: Path


@dataclass(frozen=True)
class Benchmark:
    """The methods in the order of the table.

    Args:
        name: Name of the written files.
        title: Heading of the table.
        methods: Methods by name.
        claims: Compared pairs: (better, worse, published difference of PSNR in dB or None). A pair is in the report
            only if both methods are.
        metrics: Configs of metrics in addition to PSNR and SSIM.
        tasks: Tasks by name; without tasks, each method uses the data sets of its config.
        columns: Key of a metric -> heading and decimals, in the order of the table; None for the default.
        reference: The method whose PSNR is subtracted from the others; default: the first method of the first claim.
        side: Side of the square input for MACs and times, in pixels.
        options: Changes of every config, as with ``--cfg-options``.
        modules: Modules by name, each after its own modules.
    """

    name: str
    title: str
    methods: Mapping[str, Method]
    claims: tuple[tuple[str, str, float | None], ...] = ()
    metrics: tuple[Mapping[str, Any], ...] = ()
    tasks: Mapping[str, Task] = field(default_factory=dict)
    columns: Mapping[str, tuple[str, int]] | None = None
    reference: str | None = None
    side: int = 32
    options: Mapping[str, Any] = field(default_factory=dict)
    modules: Mapping[str, Module] = field(default_factory=dict)

    def choose(self, names: list[str] | None) -> list[Method]:
        """The named methods and the methods whose weights they use, in the order of the table; all without names.

        Raises:
            ConfigError: An unknown name.
        """
        self._check_names(names, self.methods, 'method')
        wanted = set(names or self.methods)
        wanted |= {source for name in wanted if (source := self.methods[name].checkpoint_of)} - self.modules.keys()
        return [method for name, method in self.methods.items() if name in wanted]

    def from_zoo(self, known: Collection[str]) -> 'tuple[Benchmark, dict[str, str]]':
        """Replace the trainings by published weights.

        Args:
            known: Names of the zoo models.

        Returns:
            The benchmark and a mapping. The benchmark trains nothing: it has the methods with ``checkpoint`` and the
            methods whose zoo model is in ``known``, no modules, the claims whose two methods it has, and the reference
            or, without this method, None. The mapping has the other methods: name of the method -> missing zoo model.
        """
        methods: dict[str, Method] = {}
        missing: dict[str, str] = {}
        for name, method in self.methods.items():
            if method.checkpoint is not None:
                methods[name] = replace(method, modules=())
                continue
            source = self.methods.get(method.checkpoint_of or '', method)
            model = method.zoo or source.zoo or source.config.stem
            if model not in known:
                missing[name] = model
                continue
            published = replace(method, checkpoint=f'rainrestore://{model}', checkpoint_of=None, pretrained=(model,))
            methods[name] = replace(published, first=None, warm_up=None, modules=())
        claims = tuple(claim for claim in self.claims if {*claim[:2]} <= methods.keys())
        reference = self.reference if self.reference in methods else None
        return replace(self, methods=methods, modules={}, claims=claims, reference=reference), missing

    def choose_tasks(self, names: list[str] | None) -> list[Task | None]:
        """The named tasks in the order of the benchmark; all without names; ``[None]`` without tasks.

        Raises:
            ConfigError: An unknown name.
        """
        self._check_names(names, self.tasks, 'task')
        return [task for name, task in self.tasks.items() if not names or name in names] or [None]

    def _check_names(self, names: list[str] | None, known: Mapping[str, Any], kind: str) -> None:
        if unknown := sorted(set(names or ()) - known.keys()):
            raise ConfigError(f'{self.name} has no {kind} {unknown[0]!r}; it has {", ".join(known) or "none"}')


def load_benchmark(spec: str) -> Benchmark:
    """Read a benchmark.

    Args:
        spec: A name in the folder ``benchmarks``, or the path of a Python config with ``title``, ``methods`` (name ->
            fields of :class:`Method`; a config is a path relative to the file, or a name) and optionally other fields
            of :class:`Benchmark`.

    Raises:
        ConfigError: No such file, or an invalid entry. The message names the entry.
    """
    path = find_file(spec, 'benchmarks')
    content = read_config(path).to_dict()
    accepted = {part.name for part in fields(Benchmark)} - {'name'} | {'custom_imports'}
    if unknown := sorted(content.keys() - accepted):
        near = did_you_mean(unknown[0], accepted)
        raise ConfigError(f'{path}: no field {unknown[0]!r}{near}; there are {", ".join(sorted(accepted))}')
    if missing := [key for key in ('title', 'methods') if not content.get(key)]:
        raise ConfigError(f'{path} lacks {missing[0]!r}')
    methods = {name: Method(**_entry(Method, name, entry, path)) for name, entry in content['methods'].items()}
    tasks = {name: Task(**_entry(Task, name, entry, path)) for name, entry in content.get('tasks', {}).items()}
    modules = {name: Module(**_entry(Module, name, entry, path)) for name, entry in content.get('modules', {}).items()}
    known: set[str] = set()
    for module in modules.values():
        if not 0 < module.share < 1:
            raise ConfigError(f'{path}: {module.name}: share={module.share} must be above 0 and below 1')
        _check_modules(module, known, path)
        known.add(module.name)
    if both := known & methods.keys():
        raise ConfigError(f'{path}: {sorted(both)[0]!r} names a module and a method')
    for method in methods.values():
        _check_modules(method, known, path)
        if sum(modules[name].share for name in method.modules) >= 1:
            raise ConfigError(f'{path}: {method.name}: its modules leave no faces for its own training')
        source = method.checkpoint_of
        if source is not None and method.checkpoint is not None:
            raise ConfigError(f'{path}: {method.name}: remove checkpoint or checkpoint_of; the weights have one source')
        if source is not None and not (source in modules or (source in methods and methods[source].trained)):
            raise ConfigError(f'{path}: {method.name}: checkpoint_of={source!r} is not a trained method or module')
        if not 0 <= method.final_rate <= 1:
            raise ConfigError(f'{path}: {method.name}: final_rate={method.final_rate} must be 0 to 1')
    stated = content.get('claims', ())
    claims = tuple((better, worse, float(gap[0]) if gap else None) for better, worse, *gap in stated)
    for better, worse, _ in claims:
        if not {better, worse} <= methods.keys():
            raise ConfigError(f'{path}: claims name {better!r} and {worse!r}, which are not both methods')
    reference = content.get('reference', claims[0][0] if claims else None)
    if reference is not None and reference not in methods:
        raise ConfigError(f'{path}: reference={reference!r} is not a method')
    columns = {key: (str(heading), int(places)) for key, (heading, places) in content.get('columns', {}).items()}
    content.pop('custom_imports', None)
    content |= {'methods': methods, 'modules': modules, 'tasks': tasks, 'claims': claims, 'reference': reference}
    content |= {'metrics': tuple(content.get('metrics', ())), 'columns': columns or None}
    return Benchmark(**{**content, 'name': path.stem, 'side': int(content.get('side', Benchmark.side))})


def _check_modules(part: Method | Module, known: set[str], path: Path) -> None:
    if unknown := sorted(set(part.modules) - known):
        raise ConfigError(f'{path}: {part.name}: no module {unknown[0]!r} before it; there are {sorted(known)}')


def _entry(
    kind: type[Method] | type[Module] | type[Task], name: str, entry: Mapping[str, Any], path: Path
) -> dict[str, Any]:
    """The fields of a method, module or task, from its dict in the file."""
    known = {field.name for field in fields(kind)} - {'name'}
    if unknown := sorted(entry.keys() - known):
        raise ConfigError(f'{path}: {name}: no field {unknown[0]!r}; there are {", ".join(sorted(known))}')
    required = {field.name for field in fields(kind) if field.default is MISSING} - {'name'}
    if lacking := sorted(required - entry.keys()):
        raise ConfigError(f'{path}: {name} lacks {lacking[0]!r}')
    values = dict(entry, name=name)
    for key in ('config', 'first'):
        if key in values:
            beside = (path.parent / values[key]).resolve()
            try:
                values[key] = beside if beside.is_file() else find_file(values[key])
            except ConfigError as error:
                raise ConfigError(f'{path}: {name}: {key}: {error}') from error
    for key in ('pretrained', 'modules', 'paper', 'needs'):
        if key in values:
            values[key] = tuple(values[key])
    return values
