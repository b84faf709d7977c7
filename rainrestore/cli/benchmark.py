"""Train all methods of a benchmark with one budget, test them on the same degraded faces, and write a table.

SPEC is a name (table1: the methods of the paper's Table 1; plus: changes to the paper's network, one at a time; beyond:
fcg_gan_plus_x4; rain_removal: changes to the rain removal module; blind: rain of any kind; renovation: the six subtasks
of face renovation; raindrops) or a benchmark file with your own methods. After an interruption, run the command again:
it resumes the runs and skips finished ones.
OUT receives SPEC.md and SPEC.json, and for each set of test faces and each task a chart and a sheet with a column
per method. The last line printed is one JSON object.
"""

import argparse
import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rainrestore.cli.options import add_shared, file_path, print_json, seed_number, whole_number

#: Eyes and nose of an aligned face of 128 pixels.
ROI = (37, 41, 91, 88)
FIGURE_FACES = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``rainrestore benchmark``."""
    add = parser.add_argument
    add('spec', metavar='SPEC', help='table1, plus, beyond, rain_removal, blind, renovation, raindrops, or a file')
    budget = parser.add_mutually_exclusive_group()
    faces = 'training faces of each method (required if a method is trained)'
    budget.add_argument('--faces', type=whole_number, help=faces)
    budget.add_argument('--zoo', action='store_true', help='test the published weights of the zoo; train nothing')
    add('--batch', type=whole_number, default=16, help='faces per step (default: 16, as in the paper)')
    add('--seeds', type=seed_number, nargs='+', default=[2022], metavar='N', help='training seeds (default: 2022)')
    warm_up = 'share of the training with MSE only, for methods with an expensive loss (default: 0, as in the paper)'
    add('--warm-up', type=float, default=0.0, metavar='SHARE', help=warm_up)
    add('--methods', nargs='+', metavar='NAME', help='only these rows (default: all)')
    add('--tasks', nargs='+', metavar='NAME', help='only these tasks (default: all)')
    add_shared(parser, '--data')
    test_data = 'further folders of test faces, with a table for each'
    add('--test-data', nargs='+', default=[], metavar='DIR', help=test_data)
    add('--out', type=file_path, metavar='DIR', help='default: work_dirs/benchmark/SPEC, with --zoo SPEC_zoo')
    roi = 'region to enlarge on the sheet (default: eyes and nose)'
    add('--roi', type=int, nargs=4, default=ROI, metavar=('X0', 'Y0', 'X1', 'Y1'), help=roi)
    add_shared(parser, '--cfg-options', help='changes to every config')


def run(args: argparse.Namespace) -> None:
    """Train, test, write and print."""
    from rainrestore.benchmark import Task, load_benchmark, report
    from rainrestore.benchmark.cost import cost_of
    from rainrestore.benchmark.runs import Budget, available, check_budget, faces_before, test, train
    from rainrestore.datasets.face_dataset import resolve_data_root
    from rainrestore.errors import ConfigError
    from rainrestore.files import write_text
    from rainrestore.zoo.index import models, zoo_entry

    left, top, right, bottom = args.roi
    if not (0 <= left < right and 0 <= top < bottom):
        raise ConfigError(f'--roi: expected 0 <= X0 < X1 and 0 <= Y0 < Y1, got {" ".join(map(str, args.roi))}')
    benchmark = load_benchmark(args.spec)
    chosen = benchmark.choose(args.methods)
    absent: dict[str, str] = {}
    if args.zoo:
        benchmark, absent = benchmark.from_zoo(models())
    omitted = [method for method in chosen if method.name in absent]
    left_out = [f'{method.label} is omitted: the zoo has no model {absent[method.name]}' for method in omitted]
    chosen = [benchmark.methods[method.name] for method in chosen if method not in omitted]
    tasks = benchmark.choose_tasks(args.tasks)
    lacking = [method for method in chosen if method.missing]
    not_installed = [f'{method.label} is omitted: {", ".join(method.missing)} is not installed' for method in lacking]
    methods = [method for method in chosen if method not in lacking]
    if not methods:
        given = [option for option, used in (('--zoo', args.zoo), ('--methods', args.methods)) if used]
        why = f' with {" and ".join(given)}' * bool(given)
        raise ConfigError(f'no method is left in {benchmark.name}{why}: {"; ".join(left_out + not_installed)}')
    metrics, without = available(benchmark.metrics)
    left_out += without + not_installed
    out = args.out or Path('work_dirs') / 'benchmark' / (benchmark.name + '_zoo' * args.zoo)
    options = {**benchmark.options, **args.cfg_options}
    trained = [method.name for method in methods if method.trained or method.checkpoint_of is not None]
    seeds = args.seeds if trained else []
    if trained and not args.faces:
        raise ConfigError(f'--faces is missing: the number of training faces of {trained[0]}')
    budget = Budget(args.faces or 0, args.batch, args.warm_up, args.data, options or None)
    roots = {Path(resolve_data_root(folder)).name: folder for folder in (args.data, *args.test_data)}
    if len(roots) != 1 + len(args.test_data):
        raise ConfigError('--test-data: two folders have the same name; rename one')
    check_budget(out, budget, benchmark.name)
    for line in left_out:
        print(line)

    tables: dict[tuple[str, Task | None], list[report.Row]] = {(name, task): [] for name in roots for task in tasks}
    costs: dict[Path, dict[str, float]] = {}
    for task in tasks:
        runs = out / task.name if task else out
        weights: dict[str, dict[int | None, Any]] = {}
        for method in methods:
            source = method.checkpoint_of
            part = method if method.trained else benchmark.modules.get(source or '')
            used: dict[int | None, Any]
            if part is not None:
                used = {seed: str(train(part, budget, seed, runs, benchmark.modules, task)) for seed in args.seeds}
            else:
                used = {None: method.checkpoint} if source is None else weights[source]
            weights[method.name] = used
            if method.config not in costs:
                first, changes = next(iter(used.values())), budget.options_for(method.config)
                costs[method.config] = cost_of(method.config, first, changes, benchmark.side)
            for name, folder in roots.items():
                folders = {seed: runs / method.name / _seed_name(seed) / name for seed in used}
                summaries = {
                    seed: test(method.config, used[seed], budget, metrics, folder, folders[seed], task) for seed in used
                }
                before = sum(zoo_entry(model)['Metadata'].get('Faces', 0) for model in method.pretrained)
                modules = faces_before(method, budget, benchmark.modules)
                own = 0 if method.checkpoint is not None or source in benchmark.modules else budget.faces - modules
                faces, before = own // budget.batch * budget.batch, before + modules
                row = report.Row(method, faces, before, summaries, folders, costs[method.config])
                tables[name, task].append(row)

    text = [f'# {benchmark.title}', '', _conditions(seeds, budget, benchmark), '', report.CONVENTION, *left_out, '']
    files: dict[str, Any] = {}
    for (name, task), rows in tables.items():
        heading = f'{task.label}, {name}' if task else name
        text += report.table(benchmark, rows, heading)
        root, key = Path(resolve_data_root(roots[name])), _table_name(name, task)
        files[f'chart_{key}'] = str(report.chart(rows, f'{benchmark.title}, {heading}', out / f'chart_{key}.png'))
        sheet = report.figure(rows, _truth(root, rows[0]), tuple(args.roi), out / f'sheet_{key}.png')
        files[f'sheet_{key}'] = str(sheet)
    results = {
        'benchmark': benchmark.name,
        'budget': json.loads((out / 'budget.json').read_text(encoding='utf-8')),
        'seeds': seeds,
        'left_out': left_out,
        'machine': platform.processor() or platform.machine(),
        'tables': {
            _table_name(*place): [_as_json(row, rows, benchmark.reference) for row in rows]
            for place, rows in tables.items()
        },
    }
    markdown, full = out / f'{benchmark.name}.md', out / f'{benchmark.name}.json'
    write_text(markdown, '\n'.join(text))
    write_text(full, json.dumps(results, indent=1) + '\n')
    print('\n'.join(text))
    print_json({'table': str(markdown), 'json': str(full), **files})


def _seed_name(seed: int | None) -> str:
    return 'fixed' if seed is None else f'seed_{seed}'


def _table_name(data: str, task: Any) -> str:
    return f'{data}_{task.name}' if task else data


def _conditions(seeds: Sequence[int], budget: Any, benchmark: Any) -> str:
    """The paragraph above the tables.

    Args:
        seeds: Training seeds; empty if nothing is trained.
        budget: The training budget.
        benchmark: The benchmark.
    """
    import torch

    warm_up = f', the first {budget.warm_up:.0%} with MSE only for methods with a warm-up' * bool(budget.warm_up)
    own = ', including the faces for its modules,' * bool(benchmark.modules)
    training = (
        f'Training: {budget.iterations * budget.batch:,} faces for each method{" and task" * bool(benchmark.tasks)}'
        f'{own} with batch size {budget.batch}{warm_up}; seeds {", ".join(map(str, seeds))}. '
    ) * bool(seeds)
    return (
        f'{training}All methods are tested on the same degraded faces. "before": the training faces of published '
        f'weights and of pre-trained modules. Times on {torch.get_num_threads()} CPU threads, inputs of '
        f'{benchmark.side}x{benchmark.side}, batch 16.'
    )


def _truth(root: Path, row: Any) -> dict[str, Path]:
    folder = next(iter(row.folders.values()))
    names = sorted(file.stem for file in (folder / 'restored').glob('*.png'))[:FIGURE_FACES]
    return {name: next((root / 'test' / 'img').glob(f'{name}.*')) for name in names}


def _as_json(row: Any, rows: Any, reference: str | None) -> dict[str, Any]:
    from rainrestore.benchmark import report

    against = next((other for other in rows if other.method.name == reference), None)
    return {
        'method': row.method.name,
        'label': row.method.label,
        'oracle': row.method.oracle,
        'faces': row.faces,
        'before': row.before,
        'paper': row.method.paper,
        **row.cost,
        'seeds': {_seed_name(seed): summary for seed, summary in row.summaries.items()},
        'versus': None
        if against in (None, row)
        else {reference: {key: report.difference(row, against, key) for key in ('PSNR', 'SSIM')}},
    }
