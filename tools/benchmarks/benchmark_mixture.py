"""Compare the gate of hrrm_mixture_x4 with its rival, one weight for all faces.

Rain is drawn over the test faces twice: `rain_v1`, and the rain of the validation (any rain). For the gate and for
eleven constant weights of the second expert, the table has the PSNR of J (RGB, without border crop, mean over the
faces), and the mean of both. The last line is JSON.
"""

import argparse
import json
import sys

import torch
from torch import Tensor

from rainrestore.checkpoints import load_weights
from rainrestore.cli.options import whole_number
from rainrestore.datasets import FaceDataset
from rainrestore.engine.config import load_config
from rainrestore.registry import MODELS

MODEL = 'hrrm_mixture_x4'
WEIGHTS = torch.linspace(0, 1, 11).tolist()


def main() -> int:
    """Run the benchmark and print a table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--data', help='folder {train,val,test}/img (default: the bundled portraits)')
    parser.add_argument('--faces', type=whole_number, default=100, help='test faces (default: 100)')
    options = parser.parse_args()
    config = load_config(MODEL)
    mixture = MODELS.build(config.model)
    load_weights(mixture, f'rainrestore://{MODEL}')
    columns = [
        measure(
            mixture.rain_removal.eval(), FaceDataset(options.data, 'test', part.dataset.pipeline, limit=options.faces)
        )
        for part in (config.test_dataloader, config.val_dataloader)
    ]
    names = ['gate', *(f'{weight:.1f}' for weight in WEIGHTS)]
    table = {name: [*both, sum(both) / 2] for name, *both in zip(names, *columns, strict=True)}
    print('| weight | rain_v1 | any rain | mean |\n|---|---|---|---|')
    for name, row in table.items():
        print(f'| {name} | ' + ' | '.join(f'{value:.2f}' for value in row) + ' |')
    print(json.dumps({'benchmark': 'mixture', 'model': MODEL, 'PSNR_lr_img': table}))
    return 0


@torch.no_grad()
def measure(mixture: torch.nn.Module, faces: FaceDataset) -> list[float]:
    """The PSNR of J of the gate and of each constant weight."""
    samples = [faces[index] for index in range(len(faces))]
    rainy = torch.stack([sample['inputs'] for sample in samples]).float() / 255
    truth = torch.stack([sample['data_samples'].lr_img for sample in samples])
    first, second = (expert(rainy).lr for expert in mixture.experts)
    results = [mixture(rainy).lr, *(first + weight * (second - first) for weight in WEIGHTS)]
    return [psnr(result, truth) for result in results]


def psnr(images: Tensor, truth: Tensor) -> float:
    """The mean PSNR of (N, 3, h, w) images in [0, 1]."""
    return float(-10 * (images - truth).square().mean((1, 2, 3)).log10().mean())


if __name__ == '__main__':
    sys.exit(main())
