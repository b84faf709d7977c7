"""The Python interface: restore an image, a list, a folder, files or video."""

from rainrestore.apis.derain import derain
from rainrestore.apis.files import FileOutcome, FilePlan, ImageRestorer, ImageResult, plan_files, restore_files
from rainrestore.apis.inferencer import RestorationInferencer
from rainrestore.apis.photos import FacePreview, PhotoPreview, PhotoRestoration, PhotoRestorer, RestoredFace, draw_faces
from rainrestore.apis.purpose import TASKS, Purpose, Task
from rainrestore.apis.restorer import Restoration, Restorer
from rainrestore.apis.video import VideoResult, VideoSettings, restore_video
from rainrestore.errors import ImageError

__all__ = [
    'TASKS',
    'FacePreview',
    'FileOutcome',
    'FilePlan',
    'ImageError',
    'ImageRestorer',
    'ImageResult',
    'PhotoPreview',
    'PhotoRestoration',
    'PhotoRestorer',
    'Purpose',
    'Restoration',
    'RestorationInferencer',
    'RestoredFace',
    'Restorer',
    'Task',
    'VideoResult',
    'VideoSettings',
    'derain',
    'draw_faces',
    'plan_files',
    'restore_files',
    'restore_video',
]
