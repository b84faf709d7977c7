"""Measure the models of the zoo with ``rainrestore test`` on the data sets of the index."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rainrestore.audit import Audit, audit, cheap_audit
from rainrestore.checkpoints import ZOO_SCHEME
from rainrestore.datasets.face_dataset import BUNDLED_DATA
from rainrestore.engine.config import load_config
from rainrestore.engine.testing import run_test_apart
from rainrestore.errors import ConfigError, RunError
from rainrestore.evaluation.metrics import digits, family
from rainrestore.files import make_folder
from rainrestore.registry import METRICS
from rainrestore.rules import is_number
from rainrestore.zoo.index import Entry, Zoo, changed_index, models, read_index

#: The data set in a clone, and the data set that the user provides.
PORTRAITS, OWN = 'portraits', 'CelebA'
#: Family of a metric -> tolerance on another processor: half of the last place in the index plus a margin for rounding
#: errors.
TOLERANCE = {'PSNR': 0.01, 'SSIM': 2e-4, 'LPIPS': 5e-4, 'MAE': 0.01, 'mIoU': 2e-3}
#: Task of a model -> its headline metrics, the most important first.
HEADLINES = {
    **dict.fromkeys(
        ('Face restoration', 'Blind face restoration', 'Face renovation', 'Raindrop removal'), ('PSNR', 'SSIM', 'LPIPS')
    ),
    'Rain removal': ('PSNR_lr_img',),
    'Face parsing': ('mIoU',),
}
#: The finding of an audit that does not depend on the faces, so that it can be verified with any faces.
LAYERS = 'layers'
LPIPS = {'type': 'LPIPS', 'optional': True}


def tolerance(key: str) -> float:
    """The largest difference of two equal measurements of a metric."""
    return TOLERANCE.get(family(key), 0.5 * 10 ** -digits(key))


def measurable() -> list[str]:
    """The names of the models, and of the references without weights or with weights of the zoo."""
    references = {entry['Name']: entry['Checkpoint'] for entry in read_index().get('References', [])}
    usable = [name for name, weights in references.items() if weights == 'none' or weights.startswith(ZOO_SCHEME)]
    return [*models(), *usable]


def find_entry(name: str, document: Mapping[str, Any] | None = None) -> Entry:
    """The entry of a model or a reference in an index; by default in the zoo that has the model.

    Raises:
        ConfigError: There is no entry of this name.
    """
    document = read_index(Zoo.of(name)) if document is None else document
    entries = {entry['Name']: entry for entry in (*document['Models'], *document.get('References', []))}
    if name.removeprefix(ZOO_SCHEME) not in entries:
        raise ConfigError(f'no model or reference is named {name!r}; there are {", ".join(entries)}')
    return entries[name.removeprefix(ZOO_SCHEME)]


def checkpoint_of(entry: Entry) -> str:
    """The checkpoint argument of ``rainrestore test`` for an entry."""
    return entry.get('Checkpoint', f'{ZOO_SCHEME}{entry["Name"]}')


def folders(own: Path | None) -> dict[str, Path]:
    """Data set -> its folder: the bundled portraits, and ``own`` for the faces of CelebA.

    Raises:
        ConfigError: The portraits are missing, or ``own`` is no folder.
    """
    if own is not None and not own.is_dir():
        raise ConfigError(f'--data {own}: no such folder; expected a data set {{train,val,test}}/{{img,mask}}')
    if not BUNDLED_DATA.is_dir():
        raise ConfigError(f'the portraits are part of a clone of rainrestore: there is no {BUNDLED_DATA}')
    return {PORTRAITS: BUNDLED_DATA, **({} if own is None else {OWN: own})}


def lpips_problem() -> str | None:
    """The reason for which LPIPS cannot be measured; None if it can."""
    try:
        METRICS.build(LPIPS)
    except ConfigError as error:
        return str(error)
    return None


def measure(
    entry: Entry, dataset: str, data: Path, out: Path, metrics: Sequence[Mapping[str, Any]] = ()
) -> dict[str, float]:
    """Test a model or a reference.

    Args:
        entry: Entry of the model or the reference in the index.
        dataset: The data set. The index of the package has its number of test faces; without it, any number is valid.
        data: The folder ``{train,val,test}/{img,mask}``.
        out: A folder for the files of ``rainrestore test``, in a sub-folder for the model and the data set.
        metrics: Metrics in addition to the standard metrics and the metrics of the config.

    Returns:
        Key of the metric -> value.

    Raises:
        RunError: The test ended with an error, or the number of faces differs.
    """
    out = out / entry['Name'] / dataset
    make_folder(out)
    config = load_config(Zoo.of(entry['Name']).config(entry))
    own = config.get('test_evaluator') or []
    config.test_evaluator = [*([own] if isinstance(own, Mapping) else own), *metrics]
    config.dump(out / 'config.py')
    summary = run_test_apart(out / 'test.log', out / 'config.py', checkpoint_of(entry), str(data), out)
    known = {other['Name']: other['Faces'] for other in read_index().get('Datasets', [])}
    faces = known.get(dataset, summary['images'])
    if summary['images'] != faces:
        raise RunError(f'{data} has {summary["images"]} test faces, expected {faces}')
    measurements = {key: value for key, value in summary.items() if key != 'images' and is_number(value)}
    if not measurements:
        raise RunError(f'{entry["Name"]}: the test on {data} has no results; see {out}')
    return measurements


def stated(entry: Entry, dataset: str) -> dict[str, float]:
    """The metrics of an entry in the index for a data set; empty if there are none."""
    return next((result['Metrics'] for result in entry.get('Results', []) if result['Dataset'] == dataset), {})


@contextmanager
def changed_entry(measured: Entry) -> Iterator[tuple[Entry, dict[str, Any]]]:
    """Change the entry of a measured model or reference; yields this entry of the index, and the index.

    Raises:
        RunError: The entry has other weights now; the index is not changed.
    """
    name = measured['Name']
    with changed_index(Zoo.of(name)) as document:
        entry = find_entry(name, document)
        if entry.get('SHA256') != measured.get('SHA256'):
            raise RunError(f'{name} was published again during the measurement; measure the new weights')
        yield entry, document


def enter(measured_entry: Entry, measured: Mapping[str, Mapping[str, float]]) -> None:
    """Write measured metrics into the index, rounded to their decimal places.

    Values of other metrics and other data sets are kept.

    Args:
        measured_entry: The entry of the model or the reference before the measurement.
        measured: Data set -> metric -> value.

    Raises:
        RunError: See :func:`changed_entry`.
    """
    with changed_entry(measured_entry) as (entry, document):
        results = {result['Dataset']: result for result in entry.get('Results', [])}
        for dataset, measurements in measured.items():
            result = results.setdefault(dataset, {'Dataset': dataset, 'Metrics': {}})
            result['Metrics'] |= {key: round(value, digits(key)) for key, value in measurements.items()}
        order = [data['Name'] for data in document.get('Datasets', [])]
        entry['Results'] = sorted(results.values(), key=lambda result: order.index(result['Dataset']) if order else 0)


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


def enter_audit(audited: Entry, dataset: str, findings: dict[str, str]) -> None:
    """Write the findings of an audit into the index of the model; older findings are replaced.

    Args:
        audited: The entry of the model before the audit.
        dataset: The data set.
        findings: Part -> finding.

    Raises:
        RunError: See :func:`changed_entry`.
    """
    with changed_entry(audited) as (entry, _):
        entry['Audit'] = {'Dataset': dataset, 'Findings': findings}
