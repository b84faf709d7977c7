"""Measure the inference time of plain eager float32, mmagic's inferencer, this package, and ONNX Runtime.

All methods run once in each round, so that the load of the machine affects all of them; a ratio is the median over the
rounds of the ratios within a round. The inputs are PNG files of 32x32 pixels:

  eager            the network as trained: a float32 forward pass of one batch, contiguous, without folded layers
  mmagic           ImageSuperResolutionInferencer, one file per call, with an SRGAN (MSRResNet) of as many MACs
  mmagic_batched   a float32 forward pass of this SRGAN in mmagic, one batch
  restorer         Restorer, float32, from files to images (as in `rainrestore restore`)
  restorer_bf16    the same with precision='bfloat16'
  onnxruntime      a float32 forward pass of the network exported with its physics, one batch (if it is installed)

The script prints Markdown tables; the last line is JSON. Memory is measured in a separate process for each method: the
peak above the memory of imports and the network.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import platform
import statistics
import sys
import tempfile
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from timing import Job, alternate, cost_apart

from rainrestore import Restorer
from rainrestore.apis.export import export
from rainrestore.apis.restorer import build_restorer, find_model
from rainrestore.device import find_device
from rainrestore.engine.cost import measure_cost
from rainrestore.image_io import read_image

SIDE = 32
GOAL = 3.0
# 0.97 GMAC for a face of 32x32; the bundled network needs 0.98.
SAME_SIZE = dict(mid_channels=39, num_blocks=16)


def write_faces(folder: Path, count: int, side: int = SIDE) -> list[Path]:
    """Random images; the content does not affect the time."""
    rng = np.random.default_rng(0)
    paths = [folder / f'{side}_{number}.png' for number in range(count)]
    for path in paths:
        Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8)).save(path)
    return paths


def tensor_of(paths: list[Path]) -> torch.Tensor:
    """(N, 3, h, w) in [0, 1]."""
    return torch.tensor(np.stack([read_image(path) for path in paths])).permute(0, 3, 1, 2).float().contiguous() / 255


def eager(paths: list[Path], device: str, model: str) -> Job:
    network = build_restorer(*find_model(model, None)).to(device)
    faces = tensor_of(paths).to(device)

    def job() -> object:
        with torch.no_grad():
            return network(faces, mode='tensor')['pred_img'].cpu()

    return job


def mmagic_inferencer(device: str) -> object:
    """mmagic's inferencer with random weights, which do not affect the time."""
    if 'controlnet_aux' not in sys.modules and importlib.util.find_spec('controlnet_aux') is None:
        # mmagic.apis imports all of its inferencers, one of which needs this package: not the one that is measured.
        sys.modules['controlnet_aux'] = types.ModuleType('controlnet_aux')
        vars(sys.modules['controlnet_aux']).update(HEDdetector=None, OpenposeDetector=None)
    from mmagic.apis.inferencers.image_super_resolution_inferencer import ImageSuperResolutionInferencer
    from mmengine.config import Config

    generator = dict(type='MSRResNet', in_channels=3, out_channels=3, upscale_factor=4, **SAME_SIZE)
    config = Config(
        dict(
            model=dict(
                type='SRGAN',
                generator=generator,
                pixel_loss=dict(type='L1Loss'),
                data_preprocessor=dict(type='DataPreprocessor', mean=[0.0] * 3, std=[255.0] * 3),
            ),
            test_pipeline=[
                dict(type='LoadImageFromFile', key='img', color_type='color', channel_order='rgb'),
                dict(type='PackInputs'),
            ],
        )
    )
    return ImageSuperResolutionInferencer(config, None, device=device)


def mmagic(paths: list[Path], device: str, model: str) -> Job:
    inferencer = mmagic_inferencer(device)
    return lambda: [inferencer(img=str(path)) for path in paths]


def mmagic_batched(paths: list[Path], device: str, model: str) -> Job:
    generator = mmagic_inferencer(device).model.generator
    faces = tensor_of(paths).to(device)

    def job() -> object:
        with torch.no_grad():
            return generator(faces).cpu()

    return job


def restorer(paths: list[Path], device: str, model: str, precision: str = 'float32') -> Job:
    ours = Restorer(model, device=device, precision=precision, batch_size=len(paths), resize=False)
    return lambda: ours(paths)


def restorer_bf16(paths: list[Path], device: str, model: str) -> Job:
    return restorer(paths, device, model, 'bfloat16')


def onnxruntime(paths: list[Path], device: str, model: str) -> Job:
    import onnxruntime as runtime

    with tempfile.TemporaryDirectory() as folder:
        data = export(model, Path(folder) / 'model.onnx', 'onnx', physics=True).path.read_bytes()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = runtime.InferenceSession(data, options, providers=['CPUExecutionProvider'])
    faces = tensor_of(paths).numpy()
    return lambda: session.run(None, {'rainy': faces})


PATHS: dict[str, Callable[[list[Path], str, str], Job]] = {
    'eager': eager,
    'mmagic': mmagic,
    'mmagic_batched': mmagic_batched,
    'restorer': restorer,
    'restorer_bf16': restorer_bf16,
    'onnxruntime': onnxruntime,
}


def ratio(times: dict[str, list[float]], base: str, name: str) -> float:
    """Speed relative to ``base``, the median over the rounds."""
    return statistics.median(one / other for one, other in zip(times[base], times[name], strict=True))


def step_of(name: str, count: int, device: str, model: str, folder: str) -> Job:
    """A job: one method on ``count`` faces, which are written to ``folder``."""
    return PATHS[name](write_faces(Path(folder), count), device, model)


def table(head: list[str], rows: list[list[str]]) -> str:
    """Markdown."""
    return '\n'.join('| ' + ' | '.join(row) + ' |' for row in [head, ['---', *['---:'] * (len(head) - 1)], *rows])


def costs(args: argparse.Namespace, folder: Path, device: torch.device) -> dict[str, dict[str, float]]:
    """Milliseconds per face for each batch size (32x32) and side (one face): eager, float32 and bfloat16."""
    names = ('eager', 'restorer', 'restorer_bf16')
    found: dict[str, dict[str, float]] = {}
    for label, count, side in (
        *((f'batch {batch}', batch, SIDE) for batch in args.batches),
        *((f'side {side}', 1, side) for side in args.sides),
    ):
        paths = write_faces(folder, count, side)
        times = alternate({name: PATHS[name](paths, args.device, args.model) for name in names}, args.rounds, device)
        found[label] = {name: 1e3 * statistics.median(spent) / count for name, spent in times.items()}
    return found


def main() -> None:
    """Run the benchmark and print the tables and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--model', default='fcg_gan_x4', help='a model of the zoo that restores faces')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--batch', type=int, default=16, help='faces a round (default 16)')
    parser.add_argument('--rounds', type=int, default=15)
    parser.add_argument('--threads', type=int, help="default: torch's")
    parser.add_argument('--batches', type=int, nargs='*', default=[1, 2, 4, 8, 16, 32, 64], help='for the second table')
    parser.add_argument('--sides', type=int, nargs='*', default=[32, 64, 128, 256], help='for the second table')
    parser.add_argument('--paths', nargs='+', choices=PATHS, help='only these (eager and mmagic always run)')
    args = parser.parse_args()
    if args.rounds < 1 or args.batch < 1:
        parser.error('--rounds and --batch must be at least 1')
    if args.threads:
        torch.set_num_threads(args.threads)
    device = find_device(args.device)
    names = [name for name in PATHS if args.paths is None or name in (*args.paths, 'eager', 'mmagic')]
    if args.device != 'cpu' or importlib.util.find_spec('onnxruntime') is None:
        names = [name for name in names if name != 'onnxruntime']
    macs = measure_cost(build_restorer(*find_model(args.model, None)), SIDE, SIDE).macs
    with tempfile.TemporaryDirectory() as temporary:
        paths = write_faces(Path(temporary), args.batch)
        times = alternate({name: PATHS[name](paths, args.device, args.model) for name in names}, args.rounds, device)
        rates = {name: args.batch / statistics.median(spent) for name, spent in times.items()}
        ratios = {base: {name: ratio(times, base, name) for name in names} for base in ('eager', 'mmagic')}
        peaks = {
            name: cost_apart(step_of, name, args.batch, args.device, args.model, temporary, rounds=2, device=device).mib
            for name in names
        }
        by_size = costs(args, Path(temporary), device)
    print(
        f'{args.device}, {torch.get_num_threads()} threads, batch {args.batch}, torch {torch.__version__}, '
        f'medians of {args.rounds} rounds\n'
    )
    print(table(['path', 'faces/s', 'times eager', 'times mmagic', 'MiB'], [
        [f'`{name}`', f'{rates[name]:.1f}', f'{ratios["eager"][name]:.2f}', f'{ratios["mmagic"][name]:.2f}',
         f'{peaks[name]:.0f}'] for name in names
    ]))  # fmt: skip
    if by_size:
        print('\n' + table(['ms a face', *(f'`{name}`' for name in next(iter(by_size.values())))], [
            [label, *(f'{value:.1f}' for value in row.values())] for label, row in by_size.items()
        ]))  # fmt: skip
    fastest = max(('restorer', 'restorer_bf16'), key=lambda name: rates.get(name, 0))
    result = {
        'benchmark': 'inference',
        'model': args.model,
        'device': args.device,
        'threads': torch.get_num_threads(),
        'batch': args.batch,
        'rounds': args.rounds,
        'macs': macs,
        'faces_per_s': {name: round(rate, 2) for name, rate in rates.items()},
        'times': {base: {name: round(value, 2) for name, value in found.items()} for base, found in ratios.items()},
        'peak_mib': {name: round(peak) for name, peak in peaks.items()},
        'ms_a_face': {label: {name: round(value, 2) for name, value in row.items()} for label, row in by_size.items()},
        'goal': GOAL,
        'reached': min(ratios[base].get(fastest, 0) for base in ratios) >= GOAL,
        'torch': torch.__version__,
        'python': platform.python_version(),
    }
    print(json.dumps(result))


if __name__ == '__main__':
    main()
