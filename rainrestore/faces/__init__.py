"""Faces in photos: finding them, cutting them out as the networks were trained on them, pasting them back."""

from rainrestore.faces.alignment import FaceCrop, cut, paste, soft_mask
from rainrestore.faces.boxes import read_boxes
from rainrestore.faces.detection import DetectedFace, FaceDetector, build_detector, find_faces
from rainrestore.faces.mtcnn import MTCNNDetector
from rainrestore.faces.retinaface import RetinaFaceDetector
from rainrestore.faces.yunet import YuNetDetector

__all__ = [
    'DetectedFace',
    'FaceCrop',
    'FaceDetector',
    'MTCNNDetector',
    'RetinaFaceDetector',
    'YuNetDetector',
    'build_detector',
    'cut',
    'find_faces',
    'paste',
    'read_boxes',
    'soft_mask',
]
