"""The restorer as those know it who come from mmagic, mmdet or mmpose: an inferencer of mmengine."""

from collections.abc import Callable, Iterator, Sequence
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
    visualization=[...])``: for each picture a dictionary with ``face``, ``I``, ``J``, ``S``, ``T``, ``A`` and
    ``parsing`` (arrays as in :class:`Restoration`), or with ``return_datasamples=True`` mmagic's data sample with
    ``output``, as ``restorer.forward(mode='predict')`` gives it; and, if ``draw``, the pictures of its row of a sheet
    by their titles.

    Args:
        model: as of :class:`Restorer`.
        weights: its ``checkpoint``.
        device: as there.
        show_progress: mmengine's bar.
    """

    visualize_kwargs = {'draw'}  # noqa: RUF012  (mmengine's class attribute)

    def __init__(
        self,
        model: str | Path | Config = TASKS['faces'].model,
        weights: str | Path | None = None,
        device: str | None = None,
        show_progress: bool = True,
    ) -> None:
        # Found by the zoo's index; mmengine's own way asks packages of OpenMMLab for a metafile.
        self.restorer = Restorer(model, weights, device=device)
        super().__init__(self.restorer.config, None, str(self.restorer.device), SCOPE, show_progress)

    def _init_model(self, cfg: Any, weights: Any, device: str = 'cpu') -> Any:
        return self.restorer.model

    def _init_pipeline(self, cfg: Any) -> Callable[[tuple[Any, str]], tuple[np.ndarray, str]]:
        return lambda item: (self.restorer.prepare(*item), item[1])

    def _init_collate(self, cfg: Any) -> Callable[[list], list]:
        return list

    def _init_visualizer(self, cfg: Any) -> None:
        """None: drawing needs none, and a config's would make folders."""

    def _inputs_to_list(self, inputs: Any) -> list:
        items, _ = split(inputs)
        return list(zip(items, named(items), strict=True))

    def preprocess(self, inputs: Any, batch_size: int = 1, **kwargs: Any) -> Iterator[list]:
        """Lists of ``batch_size`` prepared pictures with their names."""
        return super().preprocess(inputs, batch_size, **kwargs)

    def forward(self, inputs: Any, **kwargs: Any) -> list[Restoration]:
        """Restore a list of prepared pictures with their names."""
        pictures, names = zip(*inputs, strict=True)
        return self.restorer.restore_prepared(pictures, names)

    def visualize(
        self, inputs: list, preds: Any, show: bool = False, draw: bool = False, **kwargs: Any
    ) -> list[dict[str, np.ndarray]]:
        """The pictures of each restoration by the titles of a sheet's columns; nothing unless ``draw``."""
        return [restoration.pictures() for restoration in preds] if draw else []

    def postprocess(
        self, preds: Sequence[Restoration], visualization: list, return_datasamples: bool = False, **kwargs: Any
    ) -> dict[str, list]:
        """Predictions and visualization."""
        predictions = [self._data_sample(item) if return_datasamples else vars(item) for item in preds]
        return {'predictions': predictions, 'visualization': visualization}

    @staticmethod
    def _data_sample(restoration: Restoration) -> Any:
        data_sample = optional_import('mmagic.structures', 'return_datasamples=True').DataSample
        return data_sample(output=data_sample(**restoration.output()))
