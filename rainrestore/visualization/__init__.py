"""Sheets of faces, in files and in TensorBoard, and training curves."""

from rainrestore.visualization.hooks import RestorationSheetHook, RestoredImagesHook
from rainrestore.visualization.rows import COLUMNS, fed_rows, parsing_image, sample_images, sheet_rows, to_image
from rainrestore.visualization.sheets import image_grid, image_sheet

__all__ = [
    'COLUMNS',
    'RestorationSheetHook',
    'RestoredImagesHook',
    'fed_rows',
    'image_grid',
    'image_sheet',
    'parsing_image',
    'sample_images',
    'sheet_rows',
    'to_image',
]
