"""Pack the arrays of a sample into the input tensor and the data sample of a model."""

from typing import Any

import numpy as np
import torch

from rainrestore.datasets.transforms.base import FaceTransform
from rainrestore.labels import NUM_LABELS
from rainrestore.optional import optional_import
from rainrestore.registry import TRANSFORMS

_META_KEYS = ('name', 'gt_path', 'mask_path', 'flip', 'rain', 'degradations')


def _planes(array: np.ndarray) -> torch.Tensor:
    """H x W x C to a contiguous C x H x W copy."""
    return torch.from_numpy(np.array(array.transpose(2, 0, 1), order='C'))


@TRANSFORMS.register_module()
class PackFaceInputs(FaceTransform):
    """Turn one sample into ``dict(inputs, data_samples)``.

    ``inputs`` is ``img`` as 3 x h x w uint8. ``data_samples`` is an ``mmagic.structures.DataSample`` with these
    fields, if the sample has values for them:

    - ``gt_img`` (3,H,W) uint8;
    - ``lr_img`` (3,h,w), ``streak`` (3,h,w), ``transmission`` (1,h,w) and ``airlight`` (3,1,1), float32 in [0, 1];
    - ``parsing`` (C,h,w) float32, and ``parsing_labels`` (C,) bool, true for an annotated label (always true for the
      palette);
    - ``mask`` (1,H,W) uint8;
    - ``drop_mask`` (1,H,W) uint8, 255 M.

    Metainfo: ``name``, ``gt_path``, ``mask_path``, ``flip``, ``rain``, ``degradations``.

    Raises:
        KeyError: The sample has no ``img``.
        TypeError: ``img`` or ``gt`` is not uint8.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        if 'img' not in results:
            raise KeyError("PackFaceInputs: the sample has no 'img'; put a degradation (ScaleAwareHeavyRain) before it")
        for key in ('img', 'gt'):
            if key in results and results[key].dtype != np.uint8:
                raise TypeError(f'PackFaceInputs: {key!r} must be uint8 (0..255, RGB), got {results[key].dtype}')
        fields: dict[str, torch.Tensor] = {}
        if 'gt' in results:
            fields['gt_img'] = _planes(results['gt'])
        for source, target in (('lr', 'lr_img'), ('streak', 'streak'), ('transmission', 'transmission'),
                               ('airlight', 'airlight'), ('parsing', 'parsing')):  # fmt: skip
            if source in results:
                fields[target] = _planes(np.asarray(results[source], dtype=np.float32))
        if 'parsing' in fields:
            channels = fields['parsing'].shape[0]
            valid = results.get('label_valid') if channels == NUM_LABELS else None
            fields['parsing_labels'] = torch.tensor([True] * channels if valid is None else valid, dtype=torch.bool)
        for key in ('mask', 'drop_mask'):
            if key in results:
                fields[key] = torch.from_numpy(results[key][None].copy())
        metainfo = {key: results[key] for key in _META_KEYS if key in results}
        data_sample = optional_import('mmagic.structures', 'PackFaceInputs').DataSample
        sample = data_sample(metainfo=metainfo, **fields)
        return dict(inputs=_planes(results['img']), data_samples=sample)
