# Changes to the rain removal module, one at a time; each row is the enlarged J of a module.
title = 'Rain removal'
options = {'model.type': 'RainRemoverThenBicubic'}
methods = dict(
    hrrm=dict(label='HRRM', config='hrrm_x4'),
    supervised=dict(label='S, T and A supervised', config='hrrm_supervised_x4'),
    inverse=dict(label='J from the solved rain model', config='hrrm_inverse_x4'),
    no_vgg=dict(label='without VGG', config='hrrm_no_vgg_x4'),
    plus=dict(label='all three', config='hrrm_plus_x4'),
    literal_decay=dict(label='Adam with weight decay 1e-4', config='hrrm_literal_decay_x4'),
    grey_streak=dict(label='one channel for S', config='hrrm_grey_streak_x4'),
    no_reconstruction=dict(label='without the reconstruction of I', config='hrrm_no_reconstruction_x4'),
    vgg=dict(label='VGG encoder', config='hrrm_vgg_x4'),
    resnet=dict(label='ResNet encoder', config='hrrm_resnet_x4'),
)
reference = 'hrrm'
metrics = [dict(type='PSNR', pred_key='lr_img')]
columns = dict(
    PSNR_lr_img=('PSNR of J', 2),
    MAE_streak=('error of S', 3),
    MAE_transmission=('of T', 3),
    MAE_airlight=('of A', 3),
    PSNR=('PSNR of J enlarged', 2),
    SSIM=('SSIM of it', 4),
)
