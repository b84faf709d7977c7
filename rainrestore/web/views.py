"""What the page shows, computed without it: an uploaded picture in, pictures and scores out."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np
import torch

from rainrestore.apis import PictureError, Restoration, Restorer
from rainrestore.apis.restorer import SMALLEST_SIDE
from rainrestore.errors import ConfigError, ImageFileError
from rainrestore.evaluation.functional import psnr, ssim
from rainrestore.image_io import Photo, read_photo
from rainrestore.labels import NUM_LABELS
from rainrestore.physics import RAIN_RANGES, RainRanges, RainScene, draw_scene, enlarge, quantise, seeded_rng, shrink
from rainrestore.physics.resample import resize
from rainrestore.visualization.rows import sample_pictures

#: What is taken from a browser. A picture of so many pixels needs about 100 MB while it is decoded.
MAX_UPLOAD_BYTES = 20 * 2**20
MAX_UPLOAD_PIXELS = 32_000_000
#: Browsers draw no longer picture.
MAX_UPLOAD_SIDE = 16_384
MAX_SEED = 2**32 - 1

Pictures = dict[str, np.ndarray]


@dataclass(frozen=True)
class RainSlider:
    """How one parameter of the rain is set by hand; it takes one value where :class:`RainRanges` has a range."""

    label: str
    low: float
    high: float
    step: float
    hint: str


#: One slider for each field of :class:`RainRanges`.
SLIDERS: dict[str, RainSlider] = {
    'beta': RainSlider('Veil β', 0, 3, 0.01, 'T = exp(-β) of the face comes through'),
    'airlight': RainSlider('Airlight A', 0, 1, 0.01, 'brightness of the veil'),
    'length': RainSlider('Streak length', 1, 24, 0.1, 'in pixels of a 32x32 face'),
    'angle': RainSlider('Streak angle', 0, 180, 1, '90 falls straight down'),
    'layers': RainSlider('Rain layers m', 0, 5, 1, 'how many S_i; 0 is haze alone'),
    'noise_mean': RainSlider('Sparseness', 0, 1.5, 0.01, 'the noise has mean minus this'),
    'noise_variance': RainSlider('Noise variance', 0, 2, 0.01, 'before it is clipped to [0, 1]'),
    'gain_base': RainSlider('Gain', 0, 2, 0.01, 'a layer is multiplied by this'),
    'gain_per_length': RainSlider('Gain per length', 0, 0.3, 0.005, 'and by this for each pixel of length'),
    'gain_jitter': RainSlider('Gain jitter', 0, 1, 0.01, 'and at random by up to this'),
}


def middle_of(name: str, rain: str = 'rain_v1') -> float:
    """Where a slider starts: the middle of its range in a named distribution."""
    return _on_step(name, float(np.mean(getattr(RAIN_RANGES[rain], name))))


def drawn_settings(rng: np.random.Generator, rain: str = 'rain_v1') -> dict[str, float]:
    """Sliders as one draw from a named distribution would have them: uniform within each range, to a slider's step."""
    settings = {}
    for name in SLIDERS:
        low, high = np.broadcast_to(getattr(RAIN_RANGES[rain], name), 2).tolist()
        settings[name] = min(max(_on_step(name, rng.uniform(low, high)), low), high)
    return settings


def _on_step(name: str, value: float) -> float:
    step = SLIDERS[name].step
    return round(round(value / step) * step, 3)


def ranges_of(settings: Mapping[str, float]) -> RainRanges:
    """The rain that the sliders say: each range has the one value as both ends.

    Raises:
        ConfigError: a parameter is missing, no number, or beyond its slider.
    """
    found: dict[str, float | tuple[float, float]] = {}
    for item in fields(RainRanges):
        slider, value = SLIDERS[item.name], settings.get(item.name)
        # Written so that NaN, which compares as false, is refused.
        if isinstance(value, bool) or not isinstance(value, int | float) or not slider.low <= value <= slider.high:
            raise ConfigError(f'{slider.label}: expected {slider.low:g} to {slider.high:g}, got {value!r}')
        if isinstance(item.default, tuple):
            found[item.name] = (value, value)
        else:
            found[item.name] = round(value) if isinstance(item.default, int) else value
    return RainRanges.from_config(found)


@dataclass(frozen=True)
class Score:
    """How near a picture is to the truth, in the convention of :data:`CONVENTION`."""

    name: str
    psnr: float
    ssim: float
    psnr_y: float
    ssim_y: float


#: What the scores mean; printed with them.
CONVENTION = (
    'PSNR in dB and SSIM (11x11 Gaussian window, σ 1.5) of 8-bit pictures against the truth, no border crop; '
    'Y is the luma of BT.601, 16..235.'
)


def score(name: str, picture: np.ndarray, truth: np.ndarray) -> Score:
    """Figures of ``picture`` against ``truth``, both H x W x 3 uint8 RGB."""
    pair = picture.astype(np.float64), truth.astype(np.float64)
    values = [float(measure(*pair, convert_to=space)) for space in (None, 'Y') for measure in (psnr, ssim)]
    return Score(name, *values)


@dataclass(frozen=True, eq=False)
class View:
    """All that the page shows of one result.

    Attributes:
        name: what the result is called: the uploaded file without its suffix.
        before: the picture before, at the size of ``after``.
        after: the restored picture, H x W x 3 uint8 RGB.
        maps: rows of maps by the row's title, such as what the network reads; each by the map's title.
        means: the mean of T and of A in each row.
        scores: PSNR, SSIM and so on; none where the clean face is not known.
        labels: the facial parts that the network found, as indices of labels.
        notes: what was done to the picture, in sentences.
    """

    name: str
    before: np.ndarray
    after: np.ndarray
    maps: dict[str, Pictures] = field(default_factory=dict)
    means: dict[str, dict[str, float]] = field(default_factory=dict)
    scores: list[Score] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_upload(path: str | os.PathLike[str]) -> Photo:
    """An uploaded picture.

    Raises:
        ImageFileError: too large, in bytes or in pixels, or not readable as :func:`read_photo` reads; it names the file
            without its folder, which is the server's.
    """
    name = Path(path).name
    try:
        size = os.path.getsize(path)
        if size > MAX_UPLOAD_BYTES:
            limit = MAX_UPLOAD_BYTES / 2**20
            raise ImageFileError(path, f'{size / 2**20:.1f} MB is over the limit of {limit:.0f} MB; shrink it first')
        photo = read_photo(path, MAX_UPLOAD_PIXELS)
    except ImageFileError as error:
        # Pillow's reasons name the file as well.
        raise ImageFileError(name, error.reason.replace(os.fspath(path), name)) from error
    except OSError as error:
        raise ImageFileError(name, 'the upload is gone; drop the picture again') from error
    if max(photo.pixels.shape) > MAX_UPLOAD_SIDE:
        raise ImageFileError(
            name, f'{_size(photo.pixels)} pixels: a side is over the limit of {MAX_UPLOAD_SIDE}; shrink it'
        )
    return photo


class Studio:
    """A restorer, and what the page does with it. Calls from several threads at once are safe.

    Args:
        restorer: what restores.

    Attributes:
        scale: how many times larger it makes a face.
    """

    def __init__(self, restorer: Restorer) -> None:
        self.restorer = restorer
        self.scale: int = restorer.scale

    def restore(self, path: str | os.PathLike[str]) -> View:
        """Restore an uploaded face, cropped and aligned, whose truth nobody knows.

        Raises:
            ImageFileError: as :func:`read_upload`.
            PictureError: as :class:`Restorer` has it.
        """
        picture = read_upload(path).pixels
        result, notes = self._restored(picture, Path(path).name)
        if picture.shape != result.I.shape:
            brought = f'{_size(picture)} pixels, brought to {_size(result.I)}: what the network was trained on.'
            notes = [brought, *notes]
        return self._view(Path(path).stem, result, notes)

    def rain(self, path: str | os.PathLike[str], settings: Mapping[str, float], seed: int) -> View:
        """Make rain on an uploaded clean face and restore it, with scores against the clean face.

        The face has 128 pixels at its shorter side, or fewer (of a network that enlarges 4 times): a larger one is
        brought down. For one that needs no resizing, rain is that of ``rainrestore synthesize`` with the same seed,
        settings and file name.

        Args:
            path: the uploaded file.
            settings: a value for each of :data:`SLIDERS`.
            seed: chooses the noise, 0 to :data:`MAX_SEED`.

        Raises:
            ConfigError: a setting or the seed is out of its range.
            ImageFileError: as :func:`read_upload`.
            PictureError: too small to make rain on, or as :class:`Restorer` has it.
        """
        ranges = ranges_of(settings)
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= MAX_SEED:
            raise ConfigError(f'Seed: expected a whole number from 0 to {MAX_SEED}, got {seed!r}')
        name = Path(path).stem
        picture = read_upload(path).pixels
        truth = self._truth(picture, Path(path).name)
        scene = draw_scene(shrink(truth, self.scale), ranges, seeded_rng(seed, name))
        result, notes = self._restored(quantise(scene.I), Path(path).name)
        if truth.shape != picture.shape:
            notes = [f'{_size(picture)} pixels, brought to {_size(truth)}: the truth that is compared with.', *notes]
        return self._view(name, result, notes, scene, truth)

    def _restored(self, picture: np.ndarray, name: str) -> tuple[Restoration, list[str]]:
        """What the network makes of a picture, and a sentence on how."""
        start = time.perf_counter()
        try:
            result: Restoration = self.restorer(picture, maps=True)
        except PictureError as error:
            raise PictureError(name, error.reason) from error
        seconds = time.perf_counter() - start
        sizes = f'{_size(result.I)} to {_size(result.face)} pixels'
        return result, [f'{Path(self.restorer.name).name} on {self.restorer.device}: {sizes} in {seconds:.2f} s.']

    def _truth(self, picture: np.ndarray, name: str) -> np.ndarray:
        """The clean face at a size that the scale divides."""
        height, width = picture.shape[:2]
        least = SMALLEST_SIDE * self.scale
        if min(height, width) < least:
            raise PictureError(name, f'{width}x{height} pixels are too few to make rain on; {least} a side at least')
        ratio = min(1.0, self.restorer.size * self.scale / min(height, width)) / self.scale
        height, width = (round(side * ratio) * self.scale for side in (height, width))
        return picture if (height, width) == picture.shape[:2] else quantise(resize(picture, height, width))

    def _view(
        self,
        name: str,
        result: Restoration,
        notes: list[str],
        scene: RainScene | None = None,
        truth: np.ndarray | None = None,
    ) -> View:
        before = quantise(enlarge(result.I, self.scale))
        maps, means, labels = {'predicted': result.pictures()}, {'predicted': _means(result.T, result.A)}, []
        if result.parsing is not None and result.parsing.shape[2] == NUM_LABELS:
            labels = np.unique(result.parsing.argmax(2)).tolist()
        scores = []
        if scene is not None and truth is not None:
            output = {'lr_img': scene.J, 'streak': scene.S, 'transmission': scene.T,
                      'airlight': np.broadcast_to(scene.A, scene.J.shape)}  # fmt: skip
            maps['true'] = sample_pictures(
                None, {'gt_img': _tensor(truth), 'output': {key: _tensor(value) for key, value in output.items()}}
            )
            means['true'] = _means(scene.T, scene.A)
            scores = [score('rainy, enlarged', before, truth), score('restored', result.face, truth)]
        return View(name, before, result.face, maps, means, scores, labels, notes)


def _tensor(values: np.ndarray) -> torch.Tensor:
    """H x W x C to a C x H x W tensor."""
    return torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))


def _means(T: np.ndarray | None, A: np.ndarray | None) -> dict[str, float]:
    return {key: float(values.mean()) for key, values in (('T', T), ('A', A)) if values is not None}


def _size(picture: np.ndarray) -> str:
    return f'{picture.shape[1]}x{picture.shape[0]}'
