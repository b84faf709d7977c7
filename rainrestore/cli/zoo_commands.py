"""The commands of ``rainrestore zoo``; :mod:`rainrestore.cli.zoo` declares their options."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rainrestore.audit import list_findings
from rainrestore.checkpoints import ZOO_SCHEME
from rainrestore.cli.options import print_json
from rainrestore.errors import CheckpointError, ConfigError
from rainrestore.tables import table
from rainrestore.zoo import measurements
from rainrestore.zoo.fetch import base_url, cached_file
from rainrestore.zoo.files import file_state, with_parts, zoo_file
from rainrestore.zoo.index import Zoo, models, read_index, zoo_entry
from rainrestore.zoo.measurements import HEADLINES, digits, find_entry
from rainrestore.zoo.page import outdated, write_page

MEGABYTE = 1e6


def _list(args: argparse.Namespace) -> None:
    datasets = [data['Name'] for data in read_index().get('Datasets', [])]
    rows = [['name', 'task', *datasets, 'size', 'file']]
    for entry in models().values():
        results = [_in_short(entry, measurements.stated(entry, dataset)) for dataset in datasets]
        size = f'{entry["Bytes"] / MEGABYTE:.1f} MB'
        rows.append([entry['Name'], entry.get('Task', ''), *results, size, file_state(entry)])
    print(table(rows))


def _in_short(entry: Mapping[str, Any], metrics: Mapping[str, float]) -> str:
    """The main metrics of a task: for restored faces PSNR / SSIM / LPIPS."""
    keys = HEADLINES.get(entry.get('Task', ''), ())
    values = [f'{metrics[key]:.{digits(key)}f}' if key in metrics else '-' for key in keys]
    return ' / '.join(values) if len(keys) > 1 else ' '.join((*keys, *values))


def _show(args: argparse.Namespace) -> None:
    entry, zoo = zoo_entry(args.name), Zoo.of(args.name)
    state = file_state(entry)
    where = str(zoo.files / entry['Weights'])
    if state == 'cached':
        where = str(cached_file(entry['Weights'], entry['SHA256']))
    elif state == 'remote':
        where = f'download from {url}' if (url := base_url()) else 'no download address: set RAINRESTORE_ZOO_URL'
    metadata = entry['Metadata']
    facts: dict[str, Any] = {
        'model': f'rainrestore://{entry["Name"]}',
        'task': entry.get('Task'),
        'collection': entry.get('In Collection'),
        'config': entry['Config'],
        'file': f'{where} ({state}, {entry["Bytes"] / MEGABYTE:.1f} MB)',
        'sha256': entry['SHA256'],
        'parts': ', '.join(f'{slot} of {part}' for slot, part in entry.get('Parts', {}).items()),
        **{key.lower(): ', '.join(value) if isinstance(value, list) else value
           for key, value in metadata.items() if key != 'Commands'},
        'licence': f'{entry["Licence"]}. {read_index(zoo).get("Licences", {}).get(entry["Licence"], "")}',
        'training log': entry.get('Log'),
    }  # fmt: skip
    width = max(map(len, facts)) + 2
    for key, value in facts.items():
        if value not in (None, ''):
            print(f'{key:{width}}{value:,}' if isinstance(value, int) and key != 'seed' else f'{key:{width}}{value}')
    for result in entry.get('Results', []):
        metrics = ', '.join(f'{key} {value:.{digits(key)}f}' for key, value in result['Metrics'].items())
        print(f'{"on " + result["Dataset"]:{width}}{metrics}')
    for command in metadata.get('Commands', []):
        print(f'{"made by":{width}}{command}')
    print(f'{"measured by":{width}}rainrestore zoo verify {entry["Name"]}')


def _download(args: argparse.Namespace) -> None:
    names = dict.fromkeys(part for name in _chosen(args, list(models())) for part in with_parts(name))
    files = {name: str(zoo_file(name)) for name in names}
    for name, file in files.items():
        print(f'{name}: {file}')
    print_json(files)


def _verify(args: argparse.Namespace) -> int:
    data = measurements.folders(args.data)
    entries = [find_entry(name) for name in _chosen(args, measurements.measurable())]
    with_lpips = any('LPIPS' in measurements.stated(entry, dataset) for entry in entries for dataset in data)
    problem = measurements.lpips_problem() if with_lpips else None
    metrics = [measurements.LPIPS] if with_lpips and problem is None else []
    rows = [['model', 'data', 'metric', 'stated', 'measured', '']]
    compared: dict[str, dict[str, Any]] = {}
    findings: dict[str, dict[str, str]] = {}
    differing, unmeasured = [], []
    for entry in entries:
        name = entry['Name']
        found = compared.setdefault(name, {})
        try:
            weights = measurements.checkpoint_of(entry)
            for part in with_parts(weights) if weights.startswith(ZOO_SCHEME) else []:
                zoo_file(part)
        except CheckpointError as error:
            rows.append([name, '', 'sha256', '', '', f'DIFFERS: {error}'])
            differing.append(f'{name} sha256')
            continue
        for dataset, folder in data.items():
            measured = measurements.measure(entry, dataset, folder, args.out, metrics)
            stated = measurements.stated(entry, dataset)
            found[dataset] = {key: [value, measured.get(key)] for key, value in stated.items()}
            if not stated:
                rows.append([name, dataset, 'no stated results', '', '', ''])
            for key, value in stated.items():
                again, state = '-', 'not measured'
                if key not in measured:
                    unmeasured.append(f'{name} {dataset} {key}')
                else:
                    again, state = f'{measured[key]:.{digits(key) + 1}f}', 'ok'
                    if abs(value - measured[key]) > measurements.tolerance(key):
                        state = 'DIFFERS'
                        differing.append(f'{name} {dataset} {key}')
                rows.append([name, dataset, key, f'{value:.{digits(key)}f}', again, state])
        if weights.startswith(ZOO_SCHEME):
            portraits = data[measurements.PORTRAITS]
            findings[name] = list_findings(measurements.measure_audit(entry, portraits, cheap=True))
            layers, stated = findings[name][measurements.LAYERS], entry.get('Audit', {}).get('Findings', {})
            if layers != stated.get(measurements.LAYERS, layers):
                differing.append(f'{name} audit')
    print(table(rows))
    for name, parts in findings.items():
        print('\n'.join(f'{name} {part}: {finding}' for part, finding in parts.items()))
    print('allowed: ' + ', '.join(f'{key} {value:g}' for key, value in measurements.TOLERANCE.items()))
    if problem:
        print(f'not measured: {problem}')
    print_json({'models': compared, 'audits': findings, 'differing': differing, 'not_measured': unmeasured})
    return 1 if differing else 0


def _evaluate(args: argparse.Namespace) -> None:
    data, problem = measurements.folders(args.data), measurements.lpips_problem()
    metrics = [] if problem else [measurements.LPIPS]
    entered: dict[str, dict[str, dict[str, float]]] = {}
    written: set[Path] = set()
    for name in _chosen(args, measurements.measurable()):
        entry = find_entry(name)
        measured = {
            dataset: measurements.measure(entry, dataset, folder, args.out, metrics) for dataset, folder in data.items()
        }
        # Written after each model, so that an interruption loses at most one measurement.
        measurements.enter(entry, measured)
        written.add(Zoo.of(name).index)
        entered[entry['Name']] = measured
        for dataset, values in measured.items():
            print(f'{name} on {dataset}: ' + ', '.join(f'{key} {value:.4f}' for key, value in values.items()))
    if problem:
        print(f'not measured: {problem}')
    for index in sorted(written):
        page = '; rainrestore zoo page writes model_zoo.md from it' if index == Zoo.bundled().index else ''
        print(f'written to {index}{page}')
    print_json(entered)


def _audit(args: argparse.Namespace) -> None:
    # The folder of --data comes last; without it, there are only the portraits.
    dataset, folder = list(measurements.folders(args.data).items())[-1]
    entered = {}
    for name in _chosen(args, list(models())):
        entry = find_entry(name)
        findings = entered[entry['Name']] = list_findings(measurements.measure_audit(entry, folder))
        measurements.enter_audit(entry, dataset, findings)
        print('\n'.join([f'{name} on {dataset}', *(f'  {part}: {finding}' for part, finding in findings.items())]))
    print_json({'data': dataset, 'audits': entered})


def _page(args: argparse.Namespace) -> int:
    stale = outdated() if args.check else write_page()
    for path in stale:
        print(f'{"not up to date" if args.check else "written"}: {path}')
    if args.check:
        print('rainrestore zoo page updates them' if stale else 'up to date')
    return 1 if args.check and stale else 0


def _chosen(args: argparse.Namespace, every: list[str]) -> list[str]:
    if bool(args.names) == args.all:
        raise ConfigError('expected either names or --all')
    return every if args.all else args.names


COMMANDS: dict[str, Callable[[argparse.Namespace], int | None]] = {
    **{'list': _list, 'show': _show, 'download': _download, 'verify': _verify},
    **{'evaluate': _evaluate, 'audit': _audit, 'page': _page},
}
