"""A network with its weights on a device, which restores faces or whole images."""

import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from mmengine.config import Config
from mmengine.model import ImgDataPreprocessor
from torch import Tensor, nn

from rainrestore import __version__
from rainrestore.apis.derain import derained, removes_rain, scene_notes
from rainrestore.apis.inputs import ImageError, ImageLike, named, split, to_image
from rainrestore.apis.purpose import TASKS, Purpose
from rainrestore.apis.tiles import blend_tiles
from rainrestore.arguments import checked
from rainrestore.checkpoints import ZOO_SCHEME, is_training_only, load_weights
from rainrestore.device import find_device, has_bfloat16
from rainrestore.engine.config import build_model, load_config
from rainrestore.errors import CheckpointError, ConfigError, OptionError
from rainrestore.faces.fusion import RainEstimate
from rainrestore.image_io import sixteen_bit
from rainrestore.models.folding import fold, without_training
from rainrestore.physics.rain import quantise
from rainrestore.physics.resample import resize
from rainrestore.visualization.rows import sample_images
from rainrestore.visualization.sheets import image_grid
from rainrestore.zoo.index import Zoo, zoo_entry

#: Least side of an image in pixels.
SMALLEST_SIDE = 8
#: Side of the tiles of a whole image, and their overlap, in pixels.
TILE = 512
OVERLAP = 64
#: Greatest number of pixels in a batch, to limit the memory.
MAX_PIXELS = TILE**2

Precision = Literal['float32', 'bfloat16']
Result = TypeVar('Result')


@dataclass(frozen=True, eq=False)
class Restoration:
    """A restored face and the estimated rain (paper eq. 2); None for maps that the network does not predict.

    All fields except ``face`` are float32 in [0, 1], with the size h x w of ``I``.

    Attributes:
        face: H^, s h x s w x 3 uint8, RGB.
        I: Input of the network, h x w x 3.
        J: The small face without rain, h x w x 3.
        S: The streaks, h x w x 3.
        T: Transmission, h x w x 1.
        A: Airlight, h x w x 3, one colour.
        parsing: F^, probabilities of the 19 labels, h x w x 19 (for a parser of colours: h x w x 3).
        notes: Notes on the limits of the result.
    """

    face: np.ndarray
    I: np.ndarray  # noqa: E741  (the paper's letter)
    J: np.ndarray | None = None
    S: np.ndarray | None = None
    T: np.ndarray | None = None
    A: np.ndarray | None = None
    parsing: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    def output(self) -> dict[str, Tensor]:
        """The fields of ``output`` in the data sample of ``mode='predict'``: C x h x w, ``pred_img`` in [0, 255]."""
        fields = {'pred_img': self.face, **{key: getattr(self, field) for field, key in MAPS.items()}}
        return {key: _tensor(value).float() for key, value in fields.items() if value is not None}

    def images(self) -> dict[str, np.ndarray]:
        """The row of a sheet: title -> input, restored face and maps, each H x W x 3 uint8 of the same size."""
        return sample_images(_tensor(self.I), {'output': self.output()})

    def files(self, kind: str) -> dict[str, np.ndarray | None]:
        """The files of one kind: suffix of the file name -> pixels of the PNG.

        ``restored``: the face; ``J``: 8 bits; ``S``, ``T``, ``A``: 16 bits, value / 65535; ``sheets``: a row of
        images. None for maps that the network does not predict.
        """
        if kind == 'faces':
            return {}
        if kind == 'restored':
            return {'': self.face}
        if kind == 'sheets':
            row = self.images()
            return {'': image_grid([list(row.values())], list(row))}
        values = getattr(self, kind)
        if values is None:
            return {'': None}
        return {'': quantise(values) if kind == 'J' else sixteen_bit(values)}

    def record(self) -> dict[str, Any]:
        """Further values for the manifest, JSON-serialisable."""
        return {'notes': list(self.notes)}


def _tensor(image: np.ndarray) -> Tensor:
    """Convert an H x W x C array to a C x H x W tensor."""
    return torch.from_numpy(image.transpose(2, 0, 1))


#: Field of a restoration -> key of the network's output.
MAPS = {'J': 'lr_img', 'S': 'streak', 'T': 'transmission', 'A': 'airlight', 'parsing': 'parsing'}


class Restorer:
    """Restores images: ``Restorer('fcg_gan_x4')(face)``, ``Restorer('raindrop_plus')('window.jpg')``.

    The config of a model states its task and its training size (:class:`~rainrestore.apis.Purpose`).

    **Faces** (the tasks ``faces`` and ``renovate``). Each input must be a cropped face, aligned as in CelebA: eyes
    level, from chin to hair. For whole photos use :class:`~rainrestore.apis.PhotoRestorer`, which calls :meth:`restore`
    with its crops. If both sides of a face are larger than the training size, it is shrunk until its shorter side has
    the training size (bicubic with antialiasing, as in eq. 2). With a training size of 32 and a scale of 4, the result
    has 128 pixels, so it may be smaller than the input. A smaller face is enlarged to the training size only if the
    scale of the network is 1. With ``resize=False``, inputs are not resized: the networks accept any size, but the
    results for other sizes than the training size are worse.

    **Whole images** (the tasks ``rain`` and ``raindrops``). The result has the size of the input. An image of more than
    512x512 pixels is restored in overlapping tiles.

    **Precision** is float32 by default, also on a GPU, so that the result hardly depends on the processor. bfloat16 is
    about twice as fast on CPUs with bfloat16 instructions, and slower on others. On the bundled test faces it changes
    the values by 0.6 of 255 in the mean and by 5 at most; the mean brightness increases by 0.4 of 255, and the PSNR by
    0.03 dB.

    The object may be called from several threads.

    Args:
        model: A name in the zoo, with or without ``rainrestore://``; or a config: a ``.py`` file or mmengine's Config.
        checkpoint: Weights, a file or a zoo name; default: the weights of the zoo model. None with a config: a method
            without weights.
        device: ``'cpu'``, ``'cuda'``, ``'cuda:1'``; default: a GPU if there is one.
        precision: ``'float32'`` or ``'bfloat16'``.
        batch_size: Greatest number of images of the same size in a batch.
        resize: Whether to resize faces to the training size.
        task: ``'rain'`` uses the rain removal module of a network for faces to restore whole images. None: the task in
            the config.

    Attributes:
        task: Name of the task, a key of ``rainrestore.apis.TASKS``.
        size: Training size: side of the training images in pixels.
        scale: Enlargement of the network.
        known_transmission: The largest T in the training.
        predicts: The predicted maps, by the field names of :class:`Restoration`.
        estimates_rain: Whether S, T and A are predicted and were supervised in the training.
        estimator: The model in the config that estimates the rain over the faces of a photo, or None.
        model: The network without discriminators and losses, folded (:mod:`rainrestore.models.folding`).
        config: The config of the model.
        fingerprint: SHA-256 over weights, config of the network, precision, resizing and version of this package. Equal
            fingerprints give equal results (up to one grey level between devices).

    Raises:
        CheckpointError: No such zoo model, or the weights are damaged, missing or belong to another network.
        ConfigError: No such config or device, a network that restores no image (such as ``fpm_x4``), or a network for
            another task.
        ArgumentError: An argument of another type, or an unknown precision.
        OptionError: ``batch_size`` below 1.
    """

    @checked
    def __init__(
        self,
        model: str | Path | Config = TASKS['faces'].model,
        checkpoint: str | Path | None = None,
        *,
        device: str | torch.device | None = None,
        precision: Precision = 'float32',
        batch_size: int = 16,
        resize: bool = True,
        task: str | None = None,
    ) -> None:
        if batch_size < 1:
            raise OptionError(f'batch_size must be at least 1, got {batch_size}')
        self.config, self.name, weights = find_model(model, checkpoint)
        purpose = Purpose.of(self.config, self.name)
        self.device = find_device(device)
        self.precision = precision
        if precision == 'bfloat16' and not has_bfloat16(self.device):
            warnings.warn('bfloat16 is slow on this processor; float32 is faster', stacklevel=2)
        self.batch_size = batch_size
        self.resize = resize
        self.model = build_restorer(self.config, self.name, weights)
        self.size = purpose.size
        self.known_transmission = purpose.transmission or 1.0
        self.estimator = purpose.estimator
        self.model.to(self.device)
        self.predicts, self.scale, stated = self._probe(purpose.task)
        self.estimates_rain = bool(self.config.model.get('parameter_loss')) and self.predicts >= set('JSTA')
        self.task = self._chosen(stated, task)
        # Computed before folding, because the rounding of folded weights depends on the processor.
        self.fingerprint = self._fingerprint()
        fold(self.model).to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def _probe(self, stated: str) -> tuple[frozenset[str], int, str]:
        """The predicted maps, the scale and the task of the network: ``rain`` if it predicts J but no restored image.

        Raises:
            ConfigError: The network restores no image, or is a face parser (which also returns J).
        """
        with torch.inference_mode():
            outputs = self.model(torch.zeros(1, 3, self.size, self.size, device=self.device), mode='tensor')
        predicts = frozenset(field for field, key in MAPS.items() if key in outputs)
        if 'pred_img' in outputs:
            return predicts, outputs['pred_img'].shape[-1] // self.size, stated
        if 'parsing' in predicts or not {'J', 'T'} <= predicts:
            result = 'parsing' if 'parsing' in predicts else ', '.join(outputs)
            raise ConfigError(f'{self.name} restores no image, it predicts {result}; choose another model')
        return predicts, 1, 'rain'

    def _chosen(self, stated: str, wanted: str | None) -> str:
        """Check that the network supports the requested task, and return the task."""
        if wanted is not None and wanted not in TASKS:
            raise ConfigError(f'task must be one of {", ".join(TASKS)}, got {wanted!r}')
        if wanted in (None, stated) or (wanted == 'rain' and {'J', 'T'} <= self.predicts):
            return wanted or stated
        default = f'the default model for {wanted} is {TASKS[wanted].model}'
        raise ConfigError(f'{self.name} is for the task {stated}, not for {wanted}; {default}')

    def __call__(self, source: Any, maps: bool = False) -> Any:
        """Restore one or several images.

        Args:
            source: One image: a file; an H x W x 3 array, RGB, uint8 or floating point in [0, 1]; a tensor (3, h, w)
                with the same values; a Pillow image. Several images: a list or tuple of these; a tensor (N, 3, h, w);
                a folder, for all images in it and in its sub-folders, sorted by path. The first frame of an animation.
            maps: Whether to return a :class:`Restoration` with J, S, T, A and the parsing instead of the face.

        Returns:
            The face, H x W x 3 uint8 RGB, or the restoration; for several images a list in the same order.

        Raises:
            ImageFileError: A file cannot be read.
            ImageError: An item is no image, or too small or too large to restore.
        """
        items, single = split(source)
        results: list[Any] = self.restore(items, named(items, single))
        if not maps:
            results = [result.face for result in results]
        return results[0] if single else results

    def restore(self, images: Sequence[ImageLike], names: Sequence[str] | None = None) -> list[Restoration]:
        """Restore a list of images, with all predicted maps, as ``self(images, maps=True)``.

        ``names`` are used in error messages. Faces of equal sizes are batched.

        Raises:
            ImageFileError: A file cannot be read.
            ImageError: An item is no image, or too small or too large to restore, or the output of the network contains
                infinite or NaN values.
        """
        names = named(images) if names is None else names
        # Each image is shrunk right after reading, so that a folder of large photos does not fill the memory.
        prepared = [self.prepare(item, name) for item, name in zip(images, names, strict=True)]
        if not TASKS[self.task].finds_faces:
            return [self._restore_whole(image, name) for image, name in zip(prepared, names, strict=True)]
        return self._in_batches(self._restore_faces, prepared, names)

    def prepare(self, item: ImageLike, name: str = 'the image') -> np.ndarray:
        """Convert an image to the input of the network: h x w x 3 float32 in [0, 1], resized if necessary.

        Raises:
            ImageFileError: The file cannot be read.
            ImageError: The item is no image, or too small or too large to restore.
        """
        image = to_image(item, name)
        height, width = image.shape[:2]
        if min(height, width) < SMALLEST_SIDE:
            raise ImageError(name, f'{width}x{height} pixels are too few; each side needs {SMALLEST_SIDE} at least')
        if TASKS[self.task].finds_faces:
            ratio = self.size / min(height, width)
            if self.resize and (ratio < 1 or self.scale == 1):
                height, width = round(height * ratio), round(width * ratio)
            if height * width > MAX_PIXELS:
                raise ImageError(name, f'{width}x{height} pixels are too many for a face; crop the face first')
        if (height, width) != image.shape[:2]:
            return resize(image, height, width)
        return image.astype(np.float32) / np.float32(255) if image.dtype == np.uint8 else image

    def remove_rain(self, tiles: np.ndarray, derained: bool = True) -> dict[str, np.ndarray]:
        """The predicted maps among J, S, T and A for N x h x w x 3 float32 images in [0, 1]; each N x h x w x c.

        Only the rain removal module of the network is run; without its decoder of J if ``derained`` is false.
        """
        network: Any = self.model
        return self._run(partial(network.remove_rain, derained=derained), tiles)

    def estimate_rain(self, images: Sequence[np.ndarray]) -> list[RainEstimate]:
        """J, S, T and A over n x n x 3 float32 faces in [0, 1], each in the size of its face; equal sizes are batched.

        A smaller face is enlarged to the size of the training: in its own size, its edges look like rain.
        """
        enlarged = [resize(image, self.size, self.size).clip(0, 1) if image.shape[0] < self.size else image
                    for image in images]  # fmt: skip

        def estimate(batch: Sequence[np.ndarray], sides: Sequence[int]) -> Iterator[RainEstimate]:
            found = self.remove_rain(np.stack(batch))
            for side, *maps in zip(sides, *(found[name] for name in 'JSTA'), strict=True):
                if side < self.size:
                    maps = [resize(part, side, side).clip(0, 1) for part in maps]
                yield RainEstimate(*maps)

        return self._in_batches(estimate, enlarged, [image.shape[0] for image in images])

    def _restore_whole(self, image: np.ndarray, name: str) -> Restoration:
        """Restore an h x w x 3 float32 image of any size, in tiles if it is large."""
        if self.task == 'rain' and removes_rain(self):
            # derain cuts tiles of the training size.
            result = derained(self, image)
            return Restoration(face=result.photo, I=image, notes=scene_notes(quantise(image), result))

        def predict(tiles: np.ndarray) -> list[np.ndarray]:
            return [self._checked(self._run(self.model, tiles)['face'], name)]

        (restored,) = blend_tiles(predict, image, TILE, TILE - OVERLAP, 1)
        return Restoration(face=quantise(restored), I=image)

    def _restore_faces(self, images: Sequence[np.ndarray], names: Sequence[str]) -> list[Restoration]:
        """Restore images of the same size."""
        try:
            found: dict[str, Any] = self._run(self.model, np.stack(images))
        except torch.OutOfMemoryError as error:
            reason = f'a batch of {len(images)} images exceeds the memory of {self.device}; use a smaller batch'
            raise ImageError(names[0], reason) from error
        for face, name in zip(found['face'], names, strict=True):
            self._checked(face, name)
        found['face'] = quantise(found['face'])
        return [
            Restoration(I=image, **{field: values[place] for field, values in found.items()})
            for place, image in enumerate(images)
        ]

    def _checked(self, restored: np.ndarray, name: str) -> np.ndarray:
        if not np.isfinite(restored).all():
            raise ImageError(name, f'the output of the network {self.name} contains infinite or NaN values')
        return restored

    # Inference mode is local to a thread, so each call enters it.
    @torch.inference_mode()
    def _run(self, network: Callable[[Tensor], dict[str, Tensor]], images: np.ndarray) -> dict[str, np.ndarray]:
        """N x h x w x 3 float32 in [0, 1] -> field of a restoration -> float32 N x h x w x c."""
        # The permuted tensor has the memory format channels_last, the fastest for convolutions.
        inputs = torch.from_numpy(images).to(self.device).permute(0, 3, 1, 2)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == 'bfloat16'):
            outputs = network(inputs)
        height, width = inputs.shape[-2:]
        found = {field: outputs[key].float().expand(-1, -1, height, width) for field, key in MAPS.items()
                 if key in outputs}  # fmt: skip
        if 'pred_img' in outputs:
            found['face'] = outputs['pred_img'].float()
        return {field: np.ascontiguousarray(value.cpu().permute(0, 2, 3, 1).numpy()) for field, value in found.items()}

    def _in_batches(
        self, compute: Callable[[Sequence[np.ndarray], Sequence[Any]], Iterable[Result]],
        images: Sequence[np.ndarray], more: Sequence[Any],
    ) -> list[Result]:  # fmt: skip
        """The results of ``compute`` for batches of images of equal size, in the order of the images.

        The batch size and the number of pixels limit a batch. ``more`` has a further argument for each image.
        """
        sizes: dict[tuple[int, ...], list[int]] = {}
        for place, image in enumerate(images):
            sizes.setdefault(image.shape, []).append(place)
        results: dict[int, Result] = {}
        for shape, places in sizes.items():
            step = max(1, min(self.batch_size, MAX_PIXELS // (shape[0] * shape[1])))
            for start in range(0, len(places), step):
                batch = places[start : start + step]
                found = compute([images[place] for place in batch], [more[place] for place in batch])
                results.update(zip(batch, found, strict=True))
        return [results[place] for place in range(len(images))]

    def _fingerprint(self) -> str:
        made_by = {
            'network': self.config.model.to_dict(), 'precision': self.precision, 'resize': self.resize,
            'size': self.size, 'task': self.task, 'version': __version__,
        }  # fmt: skip
        digest = sha256(json.dumps(made_by, sort_keys=True, default=str).encode())
        for name, value in sorted(self.model.state_dict().items()):
            digest.update(f'{name} {value.dtype} {tuple(value.shape)}'.encode())
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()


@checked
def find_model(model: str | Path | Config, checkpoint: str | Path | None) -> tuple[Config, str, str | Path | None]:
    """The config, the name of the model for messages, and its weights."""
    if isinstance(model, Config):
        return model, str(model.filename or 'the network'), checkpoint
    if isinstance(model, Path) or model.endswith('.py'):
        return load_config(model), str(model), checkpoint
    name = model.removeprefix(ZOO_SCHEME)
    config = load_config(Zoo.of(name).config(zoo_entry(name)))
    return config, name, checkpoint or f'{ZOO_SCHEME}{name}'


def build_restorer(config: Mapping[str, Any], name: str, checkpoint: str | Path | None) -> nn.Module:
    """The network with its weights, in evaluation mode, without discriminators and losses."""
    network = build_model({'model': without_training(config.get('model') or {})}, name)
    if checkpoint is not None:
        load_weights(network, checkpoint)
    for part in [part for part, _ in network.named_children() if is_training_only(part)]:
        delattr(network, part)
    if isinstance(getattr(network, 'data_preprocessor', None), ImgDataPreprocessor):
        network = _ImageModel(network)
    if checkpoint is None and next(network.parameters(), None) is not None:
        raise CheckpointError(f'{name} has weights: pass its checkpoint, a file or {ZOO_SCHEME}NAME')
    return network.eval().requires_grad_(False)


class _ImageModel(nn.Module):
    """A complete model of mmagic with the interface of the restorers of this package.

    Args:
        model: An mmengine model whose ``data_preprocessor`` normalises images in [0, 255], and whose ``tensor`` output
            is the restored image with the same normalisation.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Tensor, mode: str = 'tensor') -> dict[str, Tensor]:
        """I (N, 3, h, w) in [0, 1] -> ``pred_img`` in [0, 1]."""
        preprocessor = self.model.data_preprocessor
        mean, std = getattr(preprocessor, 'mean', 0.0), getattr(preprocessor, 'std', 1.0)
        restored = self.model((inputs * 255 - mean) / std, mode=mode)
        return {'pred_img': (restored * std + mean) / 255}
