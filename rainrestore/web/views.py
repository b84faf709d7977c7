"""Results of aligned faces, computed independently of Gradio: images, maps and scores of an uploaded image."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rainrestore.apis import ImageError, Restoration, Restorer
from rainrestore.apis.kinds import kind_of
from rainrestore.apis.restorer import SMALLEST_SIDE
from rainrestore.errors import ConfigError, ImageFileError
from rainrestore.evaluation.functional import psnr, ssim
from rainrestore.image_io import Photo, StrPath, read_photo
from rainrestore.labels import NUM_LABELS
from rainrestore.physics import RAIN_RANGES, RainRanges, draw_scene, enlarge, quantise, seeded_rng, shrink
from rainrestore.physics.resample import resize
from rainrestore.visualization.rows import sample_images

#: Limits of uploads. Decoding the maximum number of pixels needs about 100 MB.
MAX_UPLOAD_BYTES = 20 * 2**20
MAX_UPLOAD_PIXELS = 32_000_000
#: Maximum side that browsers draw.
MAX_UPLOAD_SIDE = 16_384
MAX_SEED = 2**32 - 1

Images = dict[str, np.ndarray]


@dataclass(frozen=True)
class RainSlider:
    """The slider of one parameter of the rain. It sets one value in place of the range of :class:`RainRanges`."""

    label: str
    low: float
    high: float
    step: float
    hint: str


#: One slider for each field of :class:`RainRanges`.
SLIDERS: dict[str, RainSlider] = {
    'beta': RainSlider('Veil β', 0, 3, 0.01, 'transmission T = exp(-β)'),
    'airlight': RainSlider('Airlight A', 0, 1, 0.01, 'brightness of the veil'),
    'length': RainSlider('Streak length', 1, 24, 0.1, 'in pixels of a 32x32 face'),
    'angle': RainSlider('Streak angle', 0, 180, 1, 'in degrees; 90 is vertical'),
    'layers': RainSlider('Rain layers m', 0, 5, 1, 'number of layers S_i; 0 is haze only'),
    'noise_mean': RainSlider('Sparseness', 0, 1.5, 0.01, 'negative mean of the noise'),
    'noise_variance': RainSlider('Noise variance', 0, 2, 0.01, 'before clipping to [0, 1]'),
    'gain_base': RainSlider('Gain', 0, 2, 0.01, 'factor of each layer'),
    'gain_per_length': RainSlider('Gain per length', 0, 0.3, 0.005, 'added to the gain per pixel of length'),
    'gain_jitter': RainSlider('Gain jitter', 0, 1, 0.01, 'maximum random addition to the gain'),
}


def middle_of(name: str) -> float:
    """The initial value of a slider: the middle of its range in ``rain_v1``, rounded to a step."""
    return _on_step(name, float(np.mean(getattr(RAIN_RANGES['rain_v1'], name))))


def drawn_settings(rng: np.random.Generator) -> dict[str, float]:
    """Random values of the sliders: uniform in the ranges of ``rain_v1``, rounded to steps."""
    settings = {}
    for name in SLIDERS:
        low, high = np.broadcast_to(getattr(RAIN_RANGES['rain_v1'], name), 2).tolist()
        settings[name] = min(max(_on_step(name, rng.uniform(low, high)), low), high)
    return settings


def _on_step(name: str, value: float) -> float:
    step = SLIDERS[name].step
    return round(round(value / step) * step, 3)


def ranges_of(settings: Mapping[str, float]) -> RainRanges:
    """The rain distribution for values of the sliders; both ends of each range are the value.

    Args:
        settings: A value for each name in :data:`SLIDERS`.

    Raises:
        ConfigError: A value is missing, not a number, or out of the range of its slider.
    """
    found: dict[str, Any] = {}
    for item in fields(RainRanges):
        slider, value = SLIDERS[item.name], settings.get(item.name)
        # This form also refuses NaN, for which every comparison is false.
        if isinstance(value, bool) or not isinstance(value, int | float) or not slider.low <= value <= slider.high:
            raise ConfigError(f'{slider.label}: expected {slider.low:g} to {slider.high:g}, got {value!r}')
        found[item.name] = {tuple: (value, value), int: round(value), float: value}[type(item.default)]
    return RainRanges.from_config(found)


@dataclass(frozen=True)
class Score:
    """PSNR and SSIM of an image against the ground truth, as in :data:`CONVENTION`."""

    name: str
    psnr: float
    ssim: float
    psnr_y: float
    ssim_y: float


#: Definition of the scores, shown below them.
CONVENTION = (
    'PSNR in dB and SSIM (11x11 Gaussian window, σ 1.5) of 8-bit images against the ground truth, no border crop; '
    'Y is the luma of BT.601, 16..235.'
)


def score(name: str, image: np.ndarray, truth: np.ndarray) -> Score:
    """Compute the scores of ``image`` against the ground truth, both H x W x 3 uint8 RGB."""
    pair = image.astype(np.float64), truth.astype(np.float64)
    values = [float(measure(*pair, convert_to=space)) for space in (None, 'Y') for measure in (psnr, ssim)]
    return Score(name, *values)


@dataclass(frozen=True, eq=False)
class View:
    """One result of the page.

    Attributes:
        name: Name of the uploaded file without suffix.
        before: The input, enlarged to the size of ``after``.
        after: The restored image, H x W x 3 uint8 RGB.
        maps: Title of a row (``predicted``, ``true``) -> title of a map -> uint8 RGB.
        means: Title of a row -> means of T and A, 0..1.
        scores: Empty if the clean face is not known.
        labels: Labels that the network predicts.
        notes: Notes on the processing, as sentences.
    """

    name: str
    before: np.ndarray
    after: np.ndarray
    maps: dict[str, Images] = field(default_factory=dict)
    means: dict[str, dict[str, float]] = field(default_factory=dict)
    scores: list[Score] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_upload(path: StrPath) -> Photo:
    """Read an uploaded image.

    Raises:
        ImageFileError: The file has too many bytes or pixels, or :func:`read_photo` cannot read it. The message has the
            file name without the folder of the server.
    """
    name = Path(path).name
    try:
        size = os.path.getsize(path)
        if size > MAX_UPLOAD_BYTES:
            excess = f'{size / 2**20:.1f} MB exceed the limit of {MAX_UPLOAD_BYTES / 2**20:.0f} MB'
            raise ImageFileError(path, f'{excess}; shrink the image first')
        photo = read_photo(path, MAX_UPLOAD_PIXELS)
    except ImageFileError as error:
        if kind_of(Path(path)) == 'video':
            raise ImageFileError(name, 'is a video; use the tab Video') from error
        # Pillow's messages contain the path, too.
        raise ImageFileError(name, error.reason.replace(os.fspath(path), name)) from error
    except OSError as error:
        raise ImageFileError(name, 'the upload was deleted; drop the image again') from error
    if max(photo.pixels.shape) > MAX_UPLOAD_SIDE:
        raise ImageFileError(
            name, f'{_size(photo.pixels)} pixels: the limit of a side is {MAX_UPLOAD_SIDE}; shrink the image'
        )
    return photo


class Studio:
    """Restores aligned faces, and adds rain to clean faces. Thread-safe.

    Args:
        restorer: The model.
    """

    def __init__(self, restorer: Restorer) -> None:
        self.restorer = restorer

    def restore(self, path: StrPath) -> View:
        """Restore an uploaded face in rain, cropped and aligned.

        Raises:
            ImageFileError: The upload is too large or cannot be read.
            ImageError: The :class:`Restorer` cannot restore the image.
        """
        image = read_upload(path).pixels
        result, notes = self._restored(image, Path(path).name)
        if image.shape != result.I.shape:
            resized = f'{_size(image)} pixels, resized to {_size(result.I)}, the input size of the network.'
            notes = [resized, *notes]
        return self._view(Path(path).stem, result, notes)

    def rain(self, path: StrPath, settings: Mapping[str, float], seed: int) -> View:
        """Add rain to an uploaded clean face, restore it, and compute the scores against the clean face.

        A face whose shorter side exceeds 128 pixels (for scale 4) is shrunk to 128 pixels. Without resizing, the rain
        is the same as in ``rainrestore synthesize`` with the same seed, settings and file name.

        Args:
            path: The uploaded file.
            settings: A value for each name in :data:`SLIDERS`.
            seed: Seed of the noise, 0..:data:`MAX_SEED`.

        Raises:
            ConfigError: A setting or the seed is out of range.
            ImageFileError: The upload is too large or cannot be read.
            ImageError: The image is too small, or the :class:`Restorer` cannot restore it.
        """
        ranges = ranges_of(settings)
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= MAX_SEED:
            raise ConfigError(f'Seed: expected an integer from 0 to {MAX_SEED}, got {seed!r}')
        name = Path(path).stem
        image = read_upload(path).pixels
        truth = self._truth(image, Path(path).name)
        scene = draw_scene(shrink(truth, self.restorer.scale), ranges, seeded_rng(seed, name))
        result, notes = self._restored(quantise(scene.I), Path(path).name)
        if truth.shape != image.shape:
            notes = [f'{_size(image)} pixels, resized to {_size(truth)} as the ground truth.', *notes]
        view = self._view(name, result, notes)
        terms = {'lr_img': scene.J, 'streak': scene.S, 'transmission': scene.T,
                 'airlight': np.broadcast_to(scene.A, scene.J.shape)}  # fmt: skip
        output = {key: _tensor(values) for key, values in terms.items()}
        view.maps['true'] = sample_images(None, {'gt_img': _tensor(truth), 'output': output})
        view.means['true'] = _means(scene.T, scene.A)
        view.scores.extend([score('rainy, enlarged', view.before, truth), score('restored', view.after, truth)])
        return view

    def _restored(self, image: np.ndarray, name: str) -> tuple[Restoration, list[str]]:
        """Restore an image; return the result and a note with model, device, sizes and time."""
        start = time.perf_counter()
        try:
            result: Restoration = self.restorer(image, maps=True)
        except ImageError as error:
            raise ImageError(name, error.reason) from error
        seconds = time.perf_counter() - start
        sizes = f'{_size(result.I)} to {_size(result.face)} pixels'
        return result, [f'{Path(self.restorer.name).name} on {self.restorer.device}: {sizes} in {seconds:.2f} s.']

    def _truth(self, image: np.ndarray, name: str) -> np.ndarray:
        """The clean face, shrunk if it is too large, with sides that the scale divides."""
        height, width = image.shape[:2]
        least = SMALLEST_SIDE * self.restorer.scale
        if min(height, width) < least:
            raise ImageError(name, f'{width}x{height} pixels are too small for rain; the minimum side is {least}')
        ratio = min(1.0, self.restorer.size * self.restorer.scale / min(height, width)) / self.restorer.scale
        height, width = (round(side * ratio) * self.restorer.scale for side in (height, width))
        return image if (height, width) == image.shape[:2] else quantise(resize(image, height, width))

    def _view(self, name: str, result: Restoration, notes: list[str]) -> View:
        """The view of a restoration, without a ground truth."""
        labels = []
        if result.parsing is not None and result.parsing.shape[2] == NUM_LABELS:
            labels = np.unique(result.parsing.argmax(2)).tolist()
        before = quantise(enlarge(result.I, self.restorer.scale))
        maps, means = {'predicted': result.images()}, {'predicted': _means(result.T, result.A)}
        return View(name, before, result.face, maps, means, labels=labels, notes=notes)


def _tensor(values: np.ndarray) -> torch.Tensor:
    """Convert an H x W x C array to a C x H x W tensor."""
    return torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))


def _means(T: np.ndarray | None, A: np.ndarray | None) -> dict[str, float]:
    return {key: float(values.mean()) for key, values in (('T', T), ('A', A)) if values is not None}


def _size(image: np.ndarray) -> str:
    return f'{image.shape[1]}x{image.shape[0]}'
