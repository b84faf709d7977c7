"""What is measured: PSNR and SSIM in named conventions, parsing, and whether a difference means anything."""

from rainrestore.evaluation.evaluator import RestorationEvaluator
from rainrestore.evaluation.functional import luma, psnr, ssim
from rainrestore.evaluation.metrics import PSNR, SSIM, ParsingMIoU, SampleMetric, read_csv, write_csv
from rainrestore.evaluation.statistics import PairedDifference, paired_bootstrap

__all__ = [
    'PSNR',
    'SSIM',
    'PairedDifference',
    'ParsingMIoU',
    'RestorationEvaluator',
    'SampleMetric',
    'luma',
    'paired_bootstrap',
    'psnr',
    'read_csv',
    'ssim',
    'write_csv',
]
