"""The restorer with the interface of mmengine's inferencers, as in mmagic, mmdet or mmpose."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.infer import BaseInferencer

from rainrestore.apis.inputs import named, split
from rainrestore.apis.purpose import TASKS
from rainrestore.apis.restorer import Restoration, Restorer
from rainrestore.optional import optional_import
from rainrestore.registry import SCOPE


class RestorationInferencer(BaseInferencer):
    """mmengine's interface to a :class:`Restorer`.

    ``RestorationInferencer('fcg_gan_x4')(inputs, batch_size=8, draw=True)`` returns ``dict(predictions=[...],
    visualization=[...])``. A prediction is a dict with ``face``, ``I``, ``J``, ``S``, ``T``, ``A`` and ``parsing``
    (arrays as in :class:`Restoration`); with ``return_datasamples=True`` it is a data sample of mmagic with ``output``,
    as from ``restorer.forward(mode='predict')``. With ``draw``, a visualization is a dict of title -> image, the row
    of a sheet.

    Args:
        model: See :class:`Restorer`.
        weights: The argument ``checkpoint`` of :class:`Restorer`.
        device: See :class:`Restorer`.
        show_progress: Whether to show mmengine's progress bar.
    """

    visualize_kwargs = {'draw'}  # noqa: RUF012  (mmengine's class attribute)

    def __init__(
        self,
        model: str | Path | Config = TASKS['faces'].model,
        weights: str | Path | None = None,
        device: str | None = None,
        show_progress: bool = True,
    ) -> None:
        # The restorer uses the index of the zoo; mmengine would search metafiles of OpenMMLab packages.
        self.restorer = Restorer(model, weights, device=device)
        super().__init__(self.restorer.config, None, str(self.restorer.device), SCOPE, show_progress)

    def _init_model(self, cfg: Any, weights: Any, device: str = 'cpu') -> Any:
        return self.restorer.model

    def _init_pipeline(self, cfg: Any) -> Callable[[Any], Any]:
        return lambda item: item

    def _init_collate(self, cfg: Any) -> Callable[[list], list]:
        return list

    def _init_visualizer(self, cfg: Any) -> None:
        """No visualizer: drawing does not use it, and the visualizer of a config would create folders."""

    def _inputs_to_list(self, inputs: Any) -> list:
        items, _ = split(inputs)
        return list(zip(items, named(items), strict=True))

    def forward(self, inputs: Any, **kwargs: Any) -> list[Restoration]:
        """Restore a list of images with their names."""
        images, names = zip(*inputs, strict=True)
        return self.restorer.restore(images, names)

    def visualize(
        self, inputs: list, preds: Any, show: bool = False, draw: bool = False, **kwargs: Any
    ) -> list[dict[str, np.ndarray]]:
        """For each restoration, title -> image, as in a sheet; an empty list without ``draw``."""
        return [restoration.images() for restoration in preds] if draw else []

    def postprocess(
        self, preds: Sequence[Restoration], visualization: list, return_datasamples: bool = False, **kwargs: Any
    ) -> dict[str, list]:
        """A dict of predictions and visualization."""
        if return_datasamples:
            data_sample = optional_import('mmagic.structures', 'return_datasamples=True').DataSample
            predictions = [data_sample(output=data_sample(**item.output())) for item in preds]
        else:
            predictions = [vars(item) for item in preds]
        return {'predictions': predictions, 'visualization': visualization}
