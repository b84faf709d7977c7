"""Sheets of faces, in files and in TensorBoard, and training curves."""

from rainrestore.visualization.hooks import RestorationSheetHook, RestoredPicturesHook
from rainrestore.visualization.rows import COLUMNS, fed_rows, parsing_picture, sample_pictures, sheet_rows, to_picture
from rainrestore.visualization.sheets import picture_grid, picture_sheet

__all__ = [
    'COLUMNS',
    'RestorationSheetHook',
    'RestoredPicturesHook',
    'fed_rows',
    'parsing_picture',
    'picture_grid',
    'picture_sheet',
    'sample_pictures',
    'sheet_rows',
    'to_picture',
]
