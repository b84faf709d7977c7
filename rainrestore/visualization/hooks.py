"""Hooks that show restored faces during training and testing, or write them to files."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.dist import collect_results, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner
from PIL import Image
from torch import Tensor

from rainrestore.errors import ConfigError
from rainrestore.files import whole_file
from rainrestore.paths import file_inside
from rainrestore.registry import HOOKS
from rainrestore.visualization.rows import Sample, sheet_rows, to_picture
from rainrestore.visualization.sheets import picture_grid, picture_sheet


@HOOKS.register_module()
class RestorationSheetHook(Hook):
    """Show the first faces of each validation or test as rows of input, restoration, truth, J, S, T, A and parsing.

    In validation the sheet goes to the visualizer as the picture ``val/faces`` at the current iteration, and so to
    TensorBoard if that is a backend. In a test it is written to ``path``. In a distributed run the first process
    collects the faces of all.

    Args:
        images: Number of faces.
        path: Picture file that a test writes; None writes none.
        cell: Side of a picture in pixels.
    """

    priority = 'NORMAL'

    def __init__(self, images: int = 8, path: str | None = None, cell: int = 128) -> None:
        self.images = images
        self.path = path
        self.cell = cell
        self._faces: list[tuple[Tensor | None, Sample]] = []

    def before_val_epoch(self, runner: Runner) -> None:
        """Forget the faces of the last validation."""
        self._faces = []

    def before_test_epoch(self, runner: Runner) -> None:
        """Forget the faces of the last run."""
        self._faces = []

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Sequence[Any] | None = None
    ) -> None:
        """Keep the first faces."""
        self._keep(data_batch, outputs)

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Sequence[Any] | None = None
    ) -> None:
        """Keep the first faces."""
        self._keep(data_batch, outputs)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Send the sheet to the visualizer."""
        faces = self._first_faces(runner.val_dataloader)
        if faces:
            grid = picture_grid(*sheet_rows(*zip(*faces, strict=True)), cell=self.cell)
            runner.visualizer.add_image('val/faces', grid, step=runner.iter)

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Write the sheet."""
        faces = self._first_faces(runner.test_dataloader)
        if faces and self.path is not None:
            rows, titles, names = sheet_rows(*zip(*faces, strict=True))
            picture_sheet(rows, titles, self.path, names, self.cell)

    def _keep(self, data_batch: Any, outputs: Sequence[Any] | None) -> None:
        inputs = list((data_batch or {}).get('inputs', []))
        # Process r of n has every n-th face.
        share = math.ceil(self.images / get_world_size())
        for index, sample in enumerate((outputs or [])[: share - len(self._faces)]):
            picture = inputs[index] if index < len(inputs) else None
            self._faces.append((picture, sample if isinstance(sample, dict) else sample.to_dict()))

    def _first_faces(self, loader: Any) -> list[tuple[Tensor | None, Sample]]:
        """In the order of the data set; none but in the first process."""
        return collect_results(self._faces, min(self.images, len(loader.dataset)), 'gpu') or []


@HOOKS.register_module()
class RestoredPicturesHook(Hook):
    """Write each restored picture of a test as ``FOLDER/NAME.png``, rounded to 8 bits.

    In a distributed run each process writes its own pictures, so all must see the folder.

    Args:
        folder: Where they go; it is made.
    """

    priority = 'NORMAL'

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    def before_test_epoch(self, runner: Runner) -> None:
        """Make the folder."""
        self.folder.mkdir(parents=True, exist_ok=True)

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Sequence[Any] | None = None
    ) -> None:
        """Write the pictures of one batch.

        Raises:
            ConfigError: The restorer makes no picture at full size, or a sample's name would leave the folder.
        """
        for sample in outputs or []:
            if 'pred_img' not in sample.output:
                raise ConfigError(f'{runner.model_name} restores no picture that could be written')
            path = file_inside(self.folder, f'{sample.name}.png')
            with whole_file(path) as part:
                Image.fromarray(to_picture(sample.output.pred_img / 255)).save(part)
