"""What is measured: pictures in named conventions, the rain that was read, and whether a difference means anything."""

from rainrestore.evaluation.evaluator import RestorationEvaluator
from rainrestore.evaluation.functional import luma, psnr, ssim
from rainrestore.evaluation.identity import DlibFaceEmbedder, IdentityDistance
from rainrestore.evaluation.metrics import MAE, PSNR, SSIM, ParsingMIoU, SampleMetric, read_csv, write_csv
from rainrestore.evaluation.perceptual import LPIPS
from rainrestore.evaluation.restored_parsing import RestoredParsingMIoU
from rainrestore.evaluation.statistics import PairedDifference, paired_bootstrap

__all__ = [
    'LPIPS',
    'MAE',
    'PSNR',
    'SSIM',
    'DlibFaceEmbedder',
    'IdentityDistance',
    'PairedDifference',
    'ParsingMIoU',
    'RestorationEvaluator',
    'RestoredParsingMIoU',
    'SampleMetric',
    'luma',
    'paired_bootstrap',
    'psnr',
    'read_csv',
    'ssim',
    'write_csv',
]
