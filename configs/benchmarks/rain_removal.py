# What brings J nearer to the truth, one change at a time; every row is the J of a module, enlarged.
title = 'Rain removal'
options = {'model.type': 'RainRemoverThenBicubic'}
methods = dict(
    hrrm=dict(label='HRRM', config='../hrrm_x4.py'),
    supervised=dict(label='S, T and A supervised', config='../ablations/hrrm_supervised_x4.py'),
    inverse=dict(label='J mixed with the solved rain model', config='../ablations/hrrm_inverse_x4.py'),
    no_vgg=dict(label='without VGG', config='../ablations/hrrm_no_vgg_x4.py'),
    plus=dict(label='all three', config='../hrrm_plus_x4.py'),
    no_decay=dict(label='without weight decay', config='../ablations/hrrm_no_decay_x4.py'),
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
