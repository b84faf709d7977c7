"""What a program calls: restore a picture, a list, a folder; files to files. Above the engine."""

from rainrestore.apis.derain import derain
from rainrestore.apis.files import FileOutcome, FilePlan, PictureRestorer, PictureResult, plan_files, restore_files
from rainrestore.apis.inferencer import RestorationInferencer
from rainrestore.apis.inputs import PictureError
from rainrestore.apis.photos import PhotoRestoration, PhotoRestorer, RestoredFace
from rainrestore.apis.restorer import Restoration, Restorer
from rainrestore.apis.video import VideoResult, VideoSettings, restore_video

__all__ = [
    'FileOutcome',
    'FilePlan',
    'PhotoRestoration',
    'PhotoRestorer',
    'PictureError',
    'PictureRestorer',
    'PictureResult',
    'Restoration',
    'RestorationInferencer',
    'RestoredFace',
    'Restorer',
    'VideoResult',
    'VideoSettings',
    'derain',
    'plan_files',
    'restore_files',
    'restore_video',
]
