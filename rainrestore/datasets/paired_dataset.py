"""Pairs of a degraded image and its ground truth, or clean images only, of any size."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rainrestore.datasets.face_dataset import ImageDataset
from rainrestore.errors import DatasetError, ImageFileError
from rainrestore.image_io import list_images, listed_names, read_image, remote_files
from rainrestore.registry import DATASETS


@DATASETS.register_module()
class PairedDataset(ImageDataset):
    """Pairs of images with the same name in the folders ``data_root/split/given`` and ``data_root/split/truth``.

    For the Raindrop set (Qian et al., CVPR 2018) use ``given='data'``, ``truth='gt'`` and the suffixes ``_rain`` and
    ``_clean``: ``data/7_rain.png`` and ``gt/7_clean.png`` are a pair. With ``given=None`` the data set has clean images
    only, which a transform degrades. Images are decoded at each access, because a data set of large images may exceed
    the memory.

    A sample, before the pipeline: ``name``, ``gt_path``, ``gt`` (H x W x 3 uint8 RGB), and with ``given`` ``img_path``
    and ``img``, ``scale`` times smaller.

    Args:
        data_root: Folder of the data set. None: ``$RAINRESTORE_DATA`` if set, else the bundled portraits.
        split: Sub-folder of ``data_root``; ``''`` for ``data_root`` itself.
        given: Folder of the degraded images, or None.
        truth: Folder of the clean images; ``''`` for the folder of the split itself.
        given_suffix: End of the names of the degraded images, before the file extension. It is removed before pairing.
        truth_suffix: The same for the clean images.
        pipeline: Transforms, as configs of any OpenMMLab scope or as callables.
        limit: Greatest number of pairs; the first pairs are kept. None keeps all.
        backend_args: Storage of the files, as for ``mmengine.fileio.get``; ``data_root`` is then a URL or a prefix of
            the keys. None for the local disk.
        scale: Side of a clean image divided by the side of its degraded image.
        names: File names of the clean images, or a text file with one name per line. Required for a storage that
            cannot list its files (http, lmdb).

    Raises:
        DatasetError: A missing or empty folder, a name without the suffix, two files of the same name, or an image
            without counterpart.
        ImageFileError: On access to a sample: a damaged file, or a pair with wrong sizes.
    """

    def __init__(
        self,
        data_root: str | os.PathLike[str] | None = None,
        split: str = 'train',
        given: str | None = 'data',
        truth: str = 'gt',
        given_suffix: str = '',
        truth_suffix: str = '',
        pipeline: Sequence[dict[str, Any] | Callable[[dict[str, Any]], Any]] = (),
        limit: int | None = None,
        backend_args: Mapping[str, Any] | None = None,
        names: str | os.PathLike[str] | Sequence[str] | None = None,
        scale: int = 1,
    ) -> None:
        self.scale = scale
        self.given, self.given_suffix = given, given_suffix
        self.truth, self.truth_suffix = truth, truth_suffix
        super().__init__(data_root, split, pipeline, limit, backend_args, names)

    def load_data_list(self) -> list[dict[str, Any]]:
        """Find the files and pair them; called once by ``full_init``."""
        truth_folder = self.inside(self.truth)
        truth_files = self._files(truth_folder) if self.names is None else listed_names(self.names)
        truths = self._by_name(truth_folder, self.truth_suffix, truth_files)
        pairs = {name: {'name': name, 'gt_path': path} for name, path in truths.items()}
        if self.given is not None:
            folder = self.inside(self.given)
            # With `names`, the names of the degraded images are derived instead of listed.
            derived = [f'{name}{self.given_suffix}{Path(path).suffix}' for name, path in truths.items()]
            given_files = self._files(folder) if self.names is None else derived
            given = self._by_name(folder, self.given_suffix, given_files)
            alone = sorted(given.keys() ^ truths.keys())
            if alone:
                has = given.get(alone[0]) or truths[alone[0]]
                raise DatasetError(
                    f'{has}: its counterpart is missing, and {len(alone) - 1} more; add or remove them '
                    f'({folder} and {truth_folder} must contain the same names)'
                )
            for name, path in given.items():
                pairs[name]['img_path'] = path
        return list(pairs.values())[: self.limit]

    def get_data_info(self, idx: int) -> dict[str, Any]:
        """One sample before the pipeline (see the class)."""
        info = super().get_data_info(idx)
        info['gt'] = read_image(info['gt_path'], backend_args=self.backend_args)
        if 'img_path' in info:
            info['img'] = read_image(info['img_path'], backend_args=self.backend_args)
            (height, width), (h, w) = info['gt'].shape[:2], info['img'].shape[:2]
            if (height, width) != (h * self.scale, w * self.scale):
                expected = 'one size' if self.scale == 1 else f'sizes of 1 to {self.scale} (scale)'
                raise ImageFileError(
                    info['img_path'], f'is {w}x{h}, its ground truth {width}x{height}; a pair must have {expected}'
                )
        return info

    def _files(self, folder: str) -> list[str]:
        if self.backend_args is not None:
            return remote_files(folder, self.backend_args)
        return [path.name for path in list_images(folder)]

    def _by_name(self, folder: str, suffix: str, files: Sequence[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for file in files:
            stem, path = Path(file).stem, f'{folder}/{file}' if folder else file
            if not stem.endswith(suffix):
                raise DatasetError(f'{path}: expected a name that ends in {suffix!r}; rename it or set the suffix')
            name = stem.removesuffix(suffix)
            if name in found:
                raise DatasetError(f'{path}: same name as {Path(found[name]).name}; rename or remove one of them')
            found[name] = path
        if not found:
            raise DatasetError(f'{folder}: contains no images')
        return found
