"""Faces with masks (label maps) from a folder ``{train,val,test}/{img,mask}``."""

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.logging import MMLogger

from rainrestore.errors import DatasetError, ImageFileError
from rainrestore.image_io import listed_names, read_image, read_mask, remote_files, visible_files
from rainrestore.labels import NUM_LABELS
from rainrestore.registry import DATASETS, TRANSFORMS
from rainrestore.rules import is_count

DATA_VARIABLE = 'RAINRESTORE_DATA'
BUNDLED_DATA = Path(__file__).resolve().parents[2] / 'data' / 'portraits128'

#: A split of at most this many bytes (decoded) stays in memory. A larger split is decoded at each access.
MEMORY_LIMIT = 2 << 30

_SKIPPED_SHOWN = 20


def resolve_data_root(data_root: str | os.PathLike[str] | None = None) -> Path:
    """The folder of the data set: the argument, else ``$RAINRESTORE_DATA``, else the bundled portraits."""
    return Path(data_root or os.environ.get(DATA_VARIABLE) or BUNDLED_DATA).expanduser()


def annotated_labels(root: Path, labels: Iterable[int] | None = None) -> np.ndarray:
    """The labels that the masks of a data set annotate.

    Args:
        root: Folder of the data set. Its file ``labels.json``, ``{"labels": [0, 1, ...]}``, lists the labels; without
            the file, all 19.
        labels: The labels; overrides the file.

    Returns:
        19 bool, true for an annotated label.

    Raises:
        DatasetError: The file has another format, or an entry is no label.
    """
    origin = 'labels'
    if labels is None:
        path = root / 'labels.json'
        if not path.is_file():
            return np.ones(NUM_LABELS, dtype=bool)
        origin = str(path)
        try:
            labels = json.loads(path.read_text(encoding='utf-8'))['labels']
        except (ValueError, RecursionError, KeyError, TypeError) as error:
            raise DatasetError(f'{path}: expected {{"labels": [0, 1, ...]}} ({error!r})') from error
    valid = np.zeros(NUM_LABELS, dtype=bool)
    if not isinstance(labels, Iterable) or not (listed := list(labels)):
        raise DatasetError(f'{origin}: {labels!r} is not a list of labels; list the annotated labels')
    for label in listed:
        if not is_count(label) or label >= NUM_LABELS:
            raise DatasetError(f'{origin}: {label!r} is not a label, expected integers 0..{NUM_LABELS - 1}')
        valid[label] = True
    return valid


def by_stem(paths: Iterable[Path]) -> dict[str, Path]:
    """The files of a folder by their name without suffix.

    Raises:
        DatasetError: Two files have the same name.
    """
    files: dict[str, Path] = {}
    for path in paths:
        if path.stem in files:
            raise DatasetError(f'{path}: same name as {files[path.stem].name}; rename or remove one of them')
        files[path.stem] = path
    return files


class ImageDataset(BaseDataset):
    """The base class of the data sets: images on the local disk, or in a storage of mmengine's file client.

    Args:
        data_root: Folder of the data set. None: ``$RAINRESTORE_DATA`` if set, else the bundled portraits. With
            ``backend_args``, a URL or a prefix of the keys.
        split: Sub-folder of ``data_root``; ``''`` for ``data_root`` itself.
        pipeline: Transforms, as configs of any OpenMMLab scope or as callables.
        limit: Greatest number of samples; None keeps all.
        backend_args: Storage of the files; None for the local disk.
        names: File names of the images, or a text file with one name per line.

    Raises:
        ValueError: An invalid ``limit``.
    """

    def __init__(
        self,
        data_root: str | os.PathLike[str] | None,
        split: str,
        pipeline: Sequence[dict[str, Any] | Callable[[dict[str, Any]], Any]],
        limit: int | None,
        backend_args: Mapping[str, Any] | None,
        names: str | os.PathLike[str] | Sequence[str] | None,
    ) -> None:
        if limit is not None and limit < 1:
            raise ValueError(f'{type(self).__name__}: limit must be at least 1 or None, got {limit}')
        self.split = split
        self.limit = limit
        self.backend_args = backend_args
        self.names = names
        root = resolve_data_root(data_root) if backend_args is None else data_root or ''
        super().__init__(
            data_root=str(root),
            data_prefix=dict(),
            # The registry of this package, so that a short name works outside a Runner, too. It imports mmagic or mmcv
            # here if the config names a transform of theirs.
            pipeline=[TRANSFORMS.build(step) if isinstance(step, dict) else step for step in pipeline],
            test_mode=split != 'train',
        )

    def inside(self, *parts: str) -> str:
        """The path or key of a file or folder of the split."""
        return '/'.join(part for part in (self.data_root.rstrip('/'), self.split, *parts) if part)


@DATASETS.register_module()
class FaceDataset(ImageDataset):
    """Aligned faces and their masks, checked once at the start and kept decoded in memory.

    Layout: ``data_root/split/img/NAME.jpg|png|...`` and ``data_root/split/mask/NAME.png`` (labels of
    :mod:`rainrestore.labels`), sorted by name, or in the order of ``names``. Every file is decoded when the data set is
    built, so a bad file is reported before the training starts. The decoded images are two arrays that forked workers
    share. A split of more than ``MEMORY_LIMIT`` bytes is decoded at each access instead.

    A sample, before the pipeline: ``name`` (file name without suffix), ``gt_path``, ``mask_path``, ``gt``
    (size x size x 3 uint8 RGB), ``mask`` (size x size uint8), ``label_valid`` (19 bool: annotated labels),
    ``sample_idx``. A face without mask has no ``mask_path`` and no ``mask``. The arrays are copies, so a transform may
    write to them.

    The files can be in any storage of mmengine's file client. ``backend_args`` selects the storage; ``data_root`` is
    then a URL or a prefix of the keys. http and lmdb cannot list folders, so ``names`` lists the files::

        dict(data_root='https://host/faces', backend_args=dict(backend='http'), names='train.txt')
        dict(data_root='', backend_args=dict(backend='lmdb', db_path='faces.lmdb'), names='train.txt')

    Args:
        data_root: Folder of the data set. None: ``$RAINRESTORE_DATA`` if set, else the bundled portraits.
        split: ``train``, ``val`` or ``test`` (any sub-folder name works).
        pipeline: Transforms, as configs of any OpenMMLab scope or as callables.
        size: Side of every image and mask in pixels.
        on_bad_file: ``raise`` stops at the first bad file. ``skip`` leaves bad files out, logs them once and lists
            them in ``skipped``, a dict of path to reason.
        labels: Annotated labels; overrides ``data_root/labels.json``, which is read only from the local disk. Without
            both: all 19.
        limit: Greatest number of faces; the first faces are kept. None keeps all.
        require_masks: False accepts a split without a ``mask`` folder; its samples have no ``mask``. With
            ``backend_args``, False ignores all masks.
        backend_args: Storage of the files, as for ``mmengine.fileio.get``; None for the local disk.
        names: File names of the images, such as ``0001.jpg``, or a text file with one name per line. Required for a
            storage that cannot list its files. For other storages it selects faces.

    Raises:
        DatasetError: A missing or empty folder, two files of the same name, a name in ``names`` without file, or
            invalid ``labels``.
        ImageFileError: An image without mask, a mask without image, a file that cannot be decoded or has another size,
            or a mask with a label above 18; unless ``on_bad_file`` is ``skip``.
        ValueError: An invalid ``on_bad_file`` or ``limit``.
    """

    def __init__(
        self,
        data_root: str | os.PathLike[str] | None = None,
        split: str = 'train',
        pipeline: Sequence[dict[str, Any] | Callable[[dict[str, Any]], Any]] = (),
        size: int = 128,
        on_bad_file: str = 'raise',
        labels: Iterable[int] | None = None,
        limit: int | None = None,
        require_masks: bool = True,
        backend_args: Mapping[str, Any] | None = None,
        names: str | os.PathLike[str] | Sequence[str] | None = None,
    ) -> None:
        if on_bad_file not in ('raise', 'skip'):
            raise ValueError(f"FaceDataset: on_bad_file must be 'raise' or 'skip', got {on_bad_file!r}")
        self.size = size
        self.on_bad_file = on_bad_file
        self.labels = labels
        self.require_masks = require_masks
        self.skipped: dict[str, str] = {}
        self._images: np.ndarray | None = None
        self._masks: np.ndarray | None = None
        super().__init__(data_root, split, pipeline, limit, backend_args, names)

    def load_data_list(self) -> list[dict[str, Any]]:
        """Find, check and decode the files; called once by ``full_init``."""
        local, root = self.backend_args is None, Path(self.data_root)
        if local and not root.is_dir():
            raise DatasetError(
                f'{root}: no such data set. Set data_root or ${DATA_VARIABLE} to a folder of '
                f'{{train,val,test}}/{{img,mask}}; the bundled faces ({BUNDLED_DATA}) come with a clone of the project'
            )
        labels = self.labels if local or self.labels is not None else range(NUM_LABELS)
        self.label_valid = annotated_labels(root, labels)
        pairs = self._find_pairs()
        in_memory = len(pairs) * self.size * self.size * 4 <= MEMORY_LIMIT
        images = np.empty((len(pairs), self.size, self.size, 3), np.uint8) if in_memory else None
        masks = np.empty((len(pairs), self.size, self.size), np.uint8) if in_memory else None
        data_list: list[dict[str, Any]] = []
        for name, image_path, mask_path in pairs:
            if self.limit is not None and len(data_list) == self.limit:
                break
            try:
                gt, mask = self._decode(image_path, mask_path)
            except ImageFileError as error:
                self._bad_file(error)
                continue
            row = len(data_list)
            if images is not None and masks is not None:
                images[row] = gt
                if mask is not None:
                    masks[row] = mask
            info = dict(name=name, gt_path=image_path, row=row)
            if mask_path is not None:
                info['mask_path'] = mask_path
            data_list.append(info)
        self._images, self._masks = images, masks
        if self.skipped:
            self._report_skipped(len(data_list))
        if not data_list:
            raise DatasetError(f'{Path(self.data_root, self.split)}: no usable face; put images in img and mask')
        return data_list

    def get_data_info(self, idx: int) -> dict[str, Any]:
        """One sample before the pipeline (see the class)."""
        info = super().get_data_info(idx)
        row, mask_path = info.pop('row'), info.get('mask_path')
        if self._images is not None and self._masks is not None:
            info['gt'], mask = self._images[row].copy(), self._masks[row].copy()
        else:
            info['gt'], mask = self._decode(info['gt_path'], mask_path)
        if mask_path is not None:
            info['mask'] = mask
        info['label_valid'] = self.label_valid.copy()
        return info

    def __repr__(self) -> str:
        return f'FaceDataset({self.data_root!r}, split={self.split!r}, {len(self)} faces of {self.size}x{self.size})'

    def _find_pairs(self) -> list[tuple[str, str, str | None]]:
        """Name, image and mask of each face, in order of names."""
        if self.backend_args is not None:
            return self._find_remote_pairs(self.backend_args)
        pairs = self._find_local_pairs()
        if self.names is None:
            return pairs
        by_file = {Path(image).name: (name, image, mask) for name, image, mask in pairs}
        listed = listed_names(self.names)
        missing = [name for name in listed if name not in by_file]
        if missing:
            raise DatasetError(f'names lists {missing[0]}: no such file in {Path(self.data_root, self.split, "img")}')
        return [by_file[name] for name in listed]

    def _find_remote_pairs(self, backend_args: Mapping[str, Any]) -> list[tuple[str, str, str | None]]:
        folder = self.inside()
        listed = remote_files(f'{folder}/img', backend_args) if self.names is None else listed_names(self.names)
        stems = [Path(name).stem for name in listed]
        if len(set(stems)) < len(stems):
            twice = next(stem for stem in stems if stems.count(stem) > 1)
            raise DatasetError(f'{folder}/img: two files are named {twice!r}; rename or remove one of them')
        masks = [f'{folder}/mask/{stem}.png' if self.require_masks else None for stem in stems]
        return [(stem, f'{folder}/img/{name}', mask) for stem, name, mask in zip(stems, listed, masks, strict=True)]

    def _find_local_pairs(self) -> list[tuple[str, str, str | None]]:
        folder = Path(self.data_root, self.split)
        image_folder, mask_folder = folder / 'img', folder / 'mask'
        if not image_folder.is_dir():
            raise DatasetError(
                f'{image_folder}: no such folder. A data set is {{train,val,test}}/{{img,mask}}; check data_root '
                f'(or ${DATA_VARIABLE}) and split'
            )
        images = by_stem(visible_files(image_folder))
        if not mask_folder.is_dir():
            if self.require_masks:
                raise DatasetError(
                    f'{mask_folder}: no such folder; add the masks, or evaluate without masks: rainrestore test '
                    '--no-masks, or require_masks=False in the config'
                )
            return [(name, str(path), None) for name, path in images.items()]
        masks = by_stem(visible_files(mask_folder))
        pairs: list[tuple[str, str, str | None]] = []
        for name in sorted(images.keys() | masks.keys()):
            if name not in masks:
                self._bad_file(
                    ImageFileError(images[name], f'has no mask {mask_folder / name}.png; add it or remove the image')
                )
            elif name not in images:
                self._bad_file(
                    ImageFileError(masks[name], f'has no image {image_folder / name}.*; add it or remove the mask')
                )
            else:
                pairs.append((name, str(images[name]), str(masks[name])))
        return pairs

    def _decode(self, image_path: str, mask_path: str | None) -> tuple[np.ndarray, np.ndarray | None]:
        gt = read_image(image_path, backend_args=self.backend_args)
        self._check_size(image_path, gt)
        if mask_path is None:
            return gt, None
        mask = read_mask(mask_path, backend_args=self.backend_args)
        self._check_size(mask_path, mask)
        return gt, mask

    def _check_size(self, path: str, array: np.ndarray) -> None:
        height, width = array.shape[:2]
        if (height, width) != (self.size, self.size):
            raise ImageFileError(
                path, f'is {width}x{height}, expected {self.size}x{self.size}; resize it or set size in the config'
            )

    def _bad_file(self, error: ImageFileError) -> None:
        if self.on_bad_file == 'raise':
            raise error
        self.skipped[error.name] = error.reason

    def _report_skipped(self, kept: int) -> None:
        lines = [f'  {path}: {reason}' for path, reason in list(self.skipped.items())[:_SKIPPED_SHOWN]]
        if len(self.skipped) > _SKIPPED_SHOWN:
            lines.append(f'  and {len(self.skipped) - _SKIPPED_SHOWN} more (all in .skipped)')
        MMLogger.get_current_instance().warning(
            'FaceDataset %s/%s: skipped %d bad files, kept %d faces\n%s',
            self.data_root, self.split, len(self.skipped), kept, '\n'.join(lines),
        )  # fmt: skip
