"""Metrics of images, rain maps and parsing, and the significance of differences."""

from rainrestore.evaluation.dlib_metrics import LLE, DlibFaceEmbedder, DlibLandmarks, IdentityDistance
from rainrestore.evaluation.evaluator import RestorationEvaluator
from rainrestore.evaluation.fid import FID, frechet_distance
from rainrestore.evaluation.functional import luma, msssim, psnr, ssim
from rainrestore.evaluation.metrics import (
    MAE,
    MSSSIM,
    PSNR,
    SSIM,
    PairMetric,
    ParsingMIoU,
    SampleMetric,
    read_csv,
    write_csv,
)
from rainrestore.evaluation.niqe import NIQE
from rainrestore.evaluation.perceptual import LPIPS
from rainrestore.evaluation.restored_parsing import RestoredParsingMIoU
from rainrestore.evaluation.statistics import PairedDifference, paired_bootstrap

__all__ = [
    'FID',
    'LLE',
    'LPIPS',
    'MAE',
    'MSSSIM',
    'NIQE',
    'PSNR',
    'SSIM',
    'DlibFaceEmbedder',
    'DlibLandmarks',
    'IdentityDistance',
    'PairMetric',
    'PairedDifference',
    'ParsingMIoU',
    'RestorationEvaluator',
    'RestoredParsingMIoU',
    'SampleMetric',
    'frechet_distance',
    'luma',
    'msssim',
    'paired_bootstrap',
    'psnr',
    'read_csv',
    'ssim',
    'write_csv',
]
