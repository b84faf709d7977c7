"""Measure the time and memory of a training step against the size of the faces, the batch and the rain layers m.

Each point runs in a separate process and measures the step (all losses, with discriminators), the generation of its
rainy batch on one core, and the peak memory above the model. Larger faces are enlarged bundled faces, with the boxes of
the local discriminators in proportion. The plot is written to --out; the last line is JSON.
"""

import argparse
import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from mmengine.logging import MMLogger
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from timing import Job, alternate, cost_apart

from rainrestore.datasets import FaceDataset
from rainrestore.datasets.transforms import PackFaceInputs, ParsingTarget, ScaleAwareHeavyRain
from rainrestore.device import find_device
from rainrestore.engine.config import load_config
from rainrestore.files import whole_file
from rainrestore.physics.resample import resize
from rainrestore.registry import MODELS, SCOPE

ROOT = Path(__file__).resolve().parents[2]
SCALE, SIDE = 4, 32
SMALL_BATCH, BATCH = 2, 16
SIZES, BATCHES, LAYERS = (32, 64, 128, 256), (2, 4, 8, 16, 32), (1, 2, 4, 8)


def batch_maker(side: int, batch: int, layers: int) -> Callable[[], dict[str, list[Any]]]:
    """A job that adds rain of ``layers`` layers to ``batch`` bundled faces of SCALE x ``side`` pixels."""
    faces = FaceDataset(ROOT / 'data' / 'portraits128', limit=batch)
    factor = side // SIDE
    samples = []
    for index in range(batch):
        sample = faces[index % len(faces)]
        gt = (resize(sample['gt'], SCALE * side, SCALE * side) * 255).round().astype(np.uint8)
        samples.append(dict(sample, gt=gt, mask=sample['mask'].repeat(factor, 0).repeat(factor, 1)))
    pipeline = [ScaleAwareHeavyRain(SCALE, dict(layers=layers)), ParsingTarget(SCALE), PackFaceInputs()]

    def make() -> dict[str, list[Any]]:
        packed = []
        for sample in samples:
            result: Any = dict(sample)
            for transform in pipeline:
                result = transform(result)
            packed.append(result)
        return {key: [each[key] for each in packed] for key in ('inputs', 'data_samples')}

    return make


def training_step(config: str, side: int, batch: int, layers: int, device: str) -> Job:
    """A job: a training step of a config on such a batch."""
    MMLogger.get_current_instance().setLevel(logging.ERROR)
    init_default_scope(SCOPE)
    loaded = load_config(config)
    for discriminator in (loaded.model.get('local_discriminators') or {}).values():
        discriminator.box = [place * side // SIDE for place in discriminator.box]
    torch.manual_seed(0)
    model = MODELS.build(loaded.model).to(device).train()
    wrappers = build_optim_wrapper(model, loaded.optim_wrapper)
    data = batch_maker(side, batch, layers)()
    return lambda: model.train_step({key: list(value) for key, value in data.items()}, wrappers)


def point(config: str, rounds: int, device: torch.device, **varied: int) -> dict[str, Any]:
    """Measure one point of the plot."""
    setting = dict(side=SIDE, batch=BATCH, layers=1) | varied
    step = cost_apart(training_step, config, *setting.values(), str(device), rounds=rounds, device=device)
    make = batch_maker(**setting)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    made = median(alternate({'': make}, max(rounds, 3), torch.device('cpu'))[''])
    torch.set_num_threads(threads)
    found = dict(setting, step_s=round(step.seconds, 4), batch_s=round(made, 4), peak_MiB=round(step.mib))
    print(
        f'{setting["side"]:4} px, batch {setting["batch"]:3}, m = {setting["layers"]}: step {step.seconds:8.3f} s, '
        f'its batch {made:7.3f} s, peak {step.mib:7.0f} MiB',
        flush=True,
    )
    return found


def plot(series: dict[str, list[dict[str, Any]]], title: str, path: Path) -> None:
    """Plot time and memory; one column for each series."""
    labels = {'side': 'side of the rainy face in pixels', 'batch': 'faces in the batch', 'layers': 'rain layers m'}
    figure = Figure(figsize=(11, 6), layout='constrained')
    panels = figure.subplots(2, len(series), squeeze=False, sharex='col', sharey='row')
    for column, (name, points) in enumerate(series.items()):
        given = [each[name] for each in points]
        time, memory = panels[:, column]
        for key, label in (('step_s', 'training step'), ('batch_s', 'making its batch, one core')):
            time.plot(given, [each[key] for each in points], 'o-', label=label)
        memory.plot(given, [each['peak_MiB'] for each in points], 'o-', color='tab:green')
        fixed = {key: points[0][key] for key in labels if key != name}
        time.set_title(', '.join(f'{dict(side="side", batch="batch", layers="m")[k]} {v}' for k, v in fixed.items()))
        memory.set_xlabel(labels[name])
        for panel in (time, memory):
            panel.set_xscale('log', base=2)
            panel.set_yscale('log')
            panel.set_xticks(given, [str(value) for value in given])
            panel.minorticks_off()
            panel.grid(alpha=0.3)
        # Round numbers as ticks, because a row may contain only one power of ten.
        memory.set_yticks([250, 500, 1000, 2000, 4000], ['250', '500', '1000', '2000', '4000'])
    panels[0, 0].set_ylabel('seconds')
    panels[0, 0].legend()
    panels[1, 0].set_ylabel('peak over the model, MiB')
    figure.suptitle(title)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as part:
        figure.savefig(part, format='png', dpi=100)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, plot and print the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--config', default=str(ROOT / 'configs' / 'fcg_gan_x4.py'), help='default: fcg_gan_x4.py')
    parser.add_argument('--sizes', type=int, nargs='+', default=SIZES, help=f'sides of I, multiples of {SIDE}')
    parser.add_argument('--batches', type=int, nargs='+', default=BATCHES)
    parser.add_argument('--layers', type=int, nargs='+', default=LAYERS, help='values of m')
    parser.add_argument('--rounds', type=int, default=3, help='measured steps a point (default 3)')
    parser.add_argument('--device', help='cpu or cuda (default: a GPU if there is one)')
    parser.add_argument('--out', type=Path, default=Path('results/scaling.png'), help='default: results/scaling.png')
    args = parser.parse_args(arguments)
    if any(side < SIDE or side % SIDE for side in args.sizes):
        parser.error(f'--sizes must be multiples of {SIDE}')
    if min(args.batches) < 2 or min(args.layers) < 1 or args.rounds < 1:
        parser.error('--batches must be at least 2 (batch normalisation), --layers and --rounds at least 1')
    device = find_device(args.device)
    common = args.config, args.rounds, device
    series = {
        'side': [point(*common, side=side, batch=SMALL_BATCH) for side in args.sizes],
        'batch': [point(*common, batch=batch) for batch in args.batches],
        'layers': [point(*common, layers=layers) for layers in args.layers],
    }
    name, threads = Path(args.config).stem, torch.get_num_threads()
    plot(series, f'One training step of {name}, {device}, {threads} threads', args.out)
    print(
        json.dumps(
            {
                'benchmark': 'cost of a training step',
                'config': name,
                'device': str(device),
                'threads': threads,
                'plot': str(args.out),
                'series': series,
                'torch': torch.__version__,
            }
        )
    )


if __name__ == '__main__':
    main()
