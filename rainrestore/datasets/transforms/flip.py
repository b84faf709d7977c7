"""Random mirroring of a face with its mask."""

from typing import Any

from rainrestore.datasets.transforms.pairs import FlipPair
from rainrestore.labels import flip_labels
from rainrestore.registry import TRANSFORMS


@TRANSFORMS.register_module()
class FlipFace(FlipPair):
    """Mirror ``gt`` and ``mask`` left-right with probability ``prob``, and swap the left and right labels.

    Put it before the degradation. Draws from numpy's global generator, which mmengine seeds in each worker. Writes
    ``results['flip']``.

    Args:
        prob: Probability in [0, 1].

    Raises:
        ValueError: ``prob`` is outside [0, 1], or the sample already has a degraded ``img``.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        if 'img' in results:
            raise ValueError("FlipFace: the sample already has 'img'; put FlipFace before the degradation")
        results = super().transform(results)
        if results['flip'] and 'mask' in results:
            results['mask'] = flip_labels(results['mask'])
        return results
