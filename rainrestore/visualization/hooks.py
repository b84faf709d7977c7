"""Hooks that draw or write restored faces during training and testing."""

import math
from pathlib import Path
from typing import Any

from mmengine.dist import collect_results, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from rainrestore.errors import ConfigError
from rainrestore.files import file_inside, make_folder
from rainrestore.image_io import write_png
from rainrestore.registry import HOOKS
from rainrestore.visualization.rows import Sample, sheet_rows, to_image
from rainrestore.visualization.sheets import image_grid, image_sheet


@HOOKS.register_module()
class RestorationSheetHook(Hook):
    """Draw the first faces of each validation or test, in rows of input, restored face, truth, J, S, T, A and parsing.

    In a validation the sheet is sent to the visualizer as the image ``val/faces`` of the current iteration, for example
    for TensorBoard. In a test it is written to ``path``. In a distributed run the first process collects the faces.

    Args:
        images: Number of faces.
        path: Image file for a test; None for no file.
        cell: Side of an image in pixels.
    """

    priority = 'NORMAL'

    def __init__(self, images: int = 8, path: str | None = None, cell: int = 128) -> None:
        self.images = images
        self.path = path
        self.cell = cell
        self._faces: list[tuple[Tensor | None, Sample]] = []

    def before_val_epoch(self, runner: Runner) -> None:
        """Remove the faces of the previous validation or test."""
        self._faces = []

    before_test_epoch = before_val_epoch

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Keep the first faces."""
        inputs = list((data_batch or {}).get('inputs', []))
        # Process r of n has every n-th face.
        share = math.ceil(self.images / get_world_size())
        for index, sample in enumerate((outputs or [])[: share - len(self._faces)]):
            image = inputs[index] if index < len(inputs) else None
            self._faces.append((image, sample if isinstance(sample, dict) else sample.to_dict()))

    after_test_iter = after_val_iter

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Send the sheet to the visualizer."""
        if faces := self._first_faces(runner.val_dataloader):
            grid = image_grid(*sheet_rows(*zip(*faces, strict=True)), cell=self.cell)
            runner.visualizer.add_image('val/faces', grid, step=runner.iter)

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Write the sheet."""
        faces = self._first_faces(runner.test_dataloader)
        if faces and self.path is not None:
            rows, titles, names = sheet_rows(*zip(*faces, strict=True))
            image_sheet(rows, titles, self.path, names, self.cell)

    def _first_faces(self, loader: Any) -> list[tuple[Tensor | None, Sample]]:
        """The faces in the order of the data set; an empty list in all processes except the first."""
        return collect_results(self._faces, min(self.images, len(loader.dataset)), 'gpu') or []


@HOOKS.register_module()
class RestoredImagesHook(Hook):
    """Write each restored image of a test as ``FOLDER/NAME.png``, rounded to 8 bits.

    In a distributed run each process writes its own images, so the folder must be shared.

    Args:
        folder: Folder of the images; it is created.
    """

    priority = 'NORMAL'

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    def before_test_epoch(self, runner: Runner) -> None:
        """Create the folder."""
        make_folder(self.folder)

    def after_test_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Write the images of one batch.

        Raises:
            ConfigError: The restorer does not restore images, or the name of a sample points outside of the folder.
        """
        for sample in outputs or []:
            if 'pred_img' not in sample.output:
                raise ConfigError(f'{runner.model_name} does not restore images')
            path = file_inside(self.folder, f'{sample.name}.png')
            write_png(path, to_image(sample.output.pred_img / 255))
