"""What a program calls: restore a picture, a list, a folder; files to files. Above the engine."""

from rainrestore.apis.files import FileOutcome, FilePlan, PictureRestorer, plan_files, restore_files
from rainrestore.apis.inferencer import RestorationInferencer
from rainrestore.apis.inputs import PictureError
from rainrestore.apis.restorer import Restoration, Restorer

__all__ = [
    'FileOutcome',
    'FilePlan',
    'PictureError',
    'PictureRestorer',
    'Restoration',
    'RestorationInferencer',
    'Restorer',
    'plan_files',
    'restore_files',
]
