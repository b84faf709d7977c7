"""Data sets: faces with masks, and pairs of images. The transforms are in ``datasets.transforms``."""

from rainrestore.datasets.collate import collate_in_one_piece
from rainrestore.datasets.face_dataset import FaceDataset
from rainrestore.datasets.paired_dataset import PairedDataset
from rainrestore.datasets.sampling import ResumableSampler, SeededSamples
from rainrestore.errors import DatasetError, ImageFileError
from rainrestore.image_io import list_images, read_image, read_mask
from rainrestore.labels import FLIP_PAIRS, LABELS, NUM_LABELS, PALETTE, PORTRAIT_LABELS, flip_labels

__all__ = [
    'FLIP_PAIRS', 'LABELS', 'NUM_LABELS', 'PALETTE', 'PORTRAIT_LABELS', 'DatasetError', 'FaceDataset',
    'ImageFileError', 'PairedDataset', 'ResumableSampler', 'SeededSamples', 'collate_in_one_piece', 'flip_labels',
    'list_images', 'read_image', 'read_mask',
]  # fmt: skip
