"""Faces in photos: detection, aligned crops as in the training, and blending into the photo."""

from rainrestore.faces.alignment import FaceCrop, add_change, cut, paste, soft_mask
from rainrestore.faces.boxes import read_boxes
from rainrestore.faces.detection import DetectedFace, FaceDetector, build_detector, find_faces
from rainrestore.faces.fusion import Decision, RainEstimate, decide, face_mask, fuse
from rainrestore.faces.mtcnn import MTCNNDetector
from rainrestore.faces.retinaface import RetinaFaceDetector
from rainrestore.faces.yunet import YuNetDetector

__all__ = [
    'Decision',
    'DetectedFace',
    'FaceCrop',
    'FaceDetector',
    'MTCNNDetector',
    'RainEstimate',
    'RetinaFaceDetector',
    'YuNetDetector',
    'add_change',
    'build_detector',
    'cut',
    'decide',
    'face_mask',
    'find_faces',
    'fuse',
    'paste',
    'read_boxes',
    'soft_mask',
]
