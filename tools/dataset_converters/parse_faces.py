"""Predict the masks of unlabelled faces with a face parsing network of facexlib."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from tqdm import tqdm

from rainrestore.datasets.face_dataset import by_stem
from rainrestore.device import find_device
from rainrestore.errors import ConfigError, RainRestoreError
from rainrestore.facexlib_weights import load_facexlib
from rainrestore.image_io import read_image, visible_files, write_png
from rainrestore.labels import LABELS
from rainrestore.optional import optional_import


class Parser(NamedTuple):
    """A network of facexlib: its class and options, release and file of its weights, normalisation, labels in order."""

    network: str
    options: dict[str, int]
    release: str
    file: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    labels: tuple[str, ...]


PARSERS: dict[str, Parser] = {
    'bisenet': Parser(
        'BiSeNet', dict(num_class=19), 'v0.2.0', 'parsing_bisenet.pth',
        (0.485, 0.456, 0.406), (0.229, 0.224, 0.225),
        ('background', 'skin', 'l_brow', 'r_brow', 'l_eye', 'r_eye', 'glasses', 'l_ear', 'r_ear', 'earring', 'nose',
         'mouth', 'u_lip', 'l_lip', 'neck', 'necklace', 'cloth', 'hair', 'hat'),
    ),
    'parsenet': Parser(
        'ParseNet', dict(in_size=512, out_size=512, parsing_ch=19), 'v0.2.2', 'parsing_parsenet.pth',
        (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), LABELS,
    ),
}  # fmt: skip
#: Side of the training images of the networks, in pixels.
SIDE = 512


class FaceLabeller:
    """Aligned faces -> masks, by BiSeNet (Yu et al. 2018) or the ParseNet of PSFRGAN, as distributed by facexlib.

    Both were trained on CelebAMask-HQ. Each face is enlarged to 512x512 (bicubic). The logits are averaged over the
    cell of each pixel of the face; its label is the largest mean logit.

    Args:
        network: ``'bisenet'`` or ``'parsenet'``.
        weights: Path of the published weights; None lets facexlib download them once.
        device: Torch device, as in :class:`~rainrestore.apis.Restorer`.

    Raises:
        ConfigError: An unknown network.
        CheckpointError: The weights are missing, belong to another network, or cannot be downloaded.
        MissingPackageError: facexlib is not installed.
    """

    def __init__(self, network: str = 'bisenet', weights: str | Path | None = None, device: str | None = None) -> None:
        if network not in PARSERS:
            raise ConfigError(f'network must be one of {", ".join(PARSERS)}, got {network!r}')
        self.parser = PARSERS[network]
        # Built directly, because facexlib's init_parsing_model always downloads the weights.
        module: Any = optional_import(f'facexlib.parsing.{network}', 'FaceLabeller')
        self.network = getattr(module, self.parser.network)(**self.parser.options).eval()
        load_facexlib(self.network, self.parser.release, self.parser.file, weights, f'--weights {self.parser.file}')
        self.device = find_device(device)
        self.network.to(self.device)
        #: Output channel of the network for each label of CelebAMask-HQ.
        self.order = torch.tensor([self.parser.labels.index(label) for label in LABELS])

    @torch.inference_mode()
    def __call__(self, faces: Sequence[np.ndarray]) -> np.ndarray:
        """N faces, H x W x 3 uint8 RGB of one size -> N x H x W uint8 labels 0..18."""
        images = torch.from_numpy(np.stack(faces)).to(self.device).permute(0, 3, 1, 2).float() / 255
        size = images.shape[-2:]
        large = F.interpolate(images, (SIDE, SIDE), mode='bicubic', antialias=True).clamp(0, 1)
        mean, std = (large.new_tensor(values).view(3, 1, 1) for values in (self.parser.mean, self.parser.std))
        logits = self.network((large - mean) / std)[0]
        small = F.interpolate(logits, size, mode='area')[:, self.order.to(self.device)]
        return small.argmax(1).to(torch.uint8).cpu().numpy()


def parse_faces(folder: Path, labeller: FaceLabeller, overwrite: bool = False, progress: bool = True) -> int:
    """Write ``mask/NAME.png`` for each face of ``img/`` in a split.

    Args:
        folder: The split, with a folder ``img`` of aligned faces.
        labeller: Predicts the masks.
        overwrite: Whether to overwrite existing masks; otherwise their faces are skipped.
        progress: Show a progress bar.

    Returns:
        The number of masks written.

    Raises:
        DatasetError: The folder ``img`` is missing or empty.
        ImageFileError: A file is damaged.
    """
    files = by_stem(visible_files(folder / 'img'))
    pairs = [(file, folder / 'mask' / f'{stem}.png') for stem, file in files.items()]
    wanted = [(file, mask) for file, mask in pairs if overwrite or not mask.is_file()]
    (folder / 'mask').mkdir(exist_ok=True)
    for file, mask in tqdm(wanted, unit='face', desc=str(folder), disable=not progress):
        labels = labeller([read_image(file)])[0]
        write_png(mask, labels)
    return len(wanted)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; print the number of masks of each split as one JSON object on the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('data', type=Path, help='data set folder with {train,val,test}/img of aligned faces')
    parser.add_argument('--splits', nargs='+', default=['train', 'val', 'test'], help='default: train val test')
    parser.add_argument('--network', choices=PARSERS, default='bisenet', help='default: bisenet')
    parser.add_argument('--weights', help='weights of the network, a file of facexlib (default: download it once)')
    parser.add_argument('--overwrite', action='store_true', help='also replace existing masks')
    parser.add_argument('--device', help='cpu, cuda, ... (default: a GPU if there is one)')
    options = parser.parse_args(argv)
    try:
        labeller = FaceLabeller(options.network, options.weights, options.device)
        written = {split: parse_faces(options.data / split, labeller, options.overwrite) for split in options.splits}
    except RainRestoreError as error:
        parser.exit(2, f'error: {error}\n')
    print(json.dumps(written))
    return 0


if __name__ == '__main__':
    sys.exit(main())
