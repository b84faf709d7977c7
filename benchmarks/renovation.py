# HiFaceGAN's table: rainrestore benchmark renovation --data DIR --faces N. One row is trained for each task separately,
# one row is the network of the zoo, trained for the mixture; all are tested on the same faces. Add your own method as a
# further entry.
_base_ = 'rainrestore::_base_/models/hifacegan_mse_alone.py'

title = 'Face renovation'
methods = dict(
    degraded=dict(label='Degraded input', config='degraded_128', checkpoint='none'),
    hifacegan_mixed=dict(
        label='HiFaceGAN (reduced), mixture',
        config='hifacegan_128',
        checkpoint='rainrestore://hifacegan_128',
        pretrained=('hifacegan_128',),
    ),
    hifacegan=dict(
        label='HiFaceGAN (reduced), each task',
        config='hifacegan_128',
        warm_up=_base_._hifacegan_mse_alone,
        # the zoo's model of this config is trained for the mixture
        zoo='hifacegan_each_task_128',
    ),
)
tasks = dict(
    downsample=dict(label='Super-resolution', config='hifacegan_downsample_128'),
    mosaic=dict(label='Hallucination from mosaics', config='hifacegan_mosaic_128'),
    noise=dict(label='Denoising', config='hifacegan_noise_128'),
    blur=dict(label='Deblurring', config='hifacegan_blur_128'),
    jpeg=dict(label='JPEG artefact removal', config='hifacegan_jpeg_128'),
    mixed=dict(label='Renovation of mixed degradations', config='hifacegan_128'),
)
reference = 'degraded'
side = 128
# 128 pixels are too few for five scales of MS-SSIM, and for more than one block of 96 pixels of NIQE. FED, the face
# embedding distance, is IdentityDistance: dlib's embedding, Euclidean distance.
metrics = [
    dict(type='MSSSIM', scales=4),
    dict(type='LPIPS'),
    dict(type='FID'),
    dict(type='NIQE', block=64),
    dict(type='IdentityDistance'),
    dict(type='LLE'),
]
columns = dict(
    PSNR=('PSNR ↑', 2),
    SSIM=('SSIM ↑', 4),
    MSSSIM_4scales=('MS-SSIM, 4 scales ↑', 4),
    LPIPS=('LPIPS ↓', 4),
    FID=('FID ↓', 2),
    NIQE_block64=('NIQE, blocks of 64 ↓', 2),
    identity_distance=('FED ↓', 3),
    LLE=('LLE ↓', 2),
)
