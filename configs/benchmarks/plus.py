# What lifts the network of the paper at its own cost, one change at a time.
_base_ = '../_base_/mse_alone.py'

title = 'One change at a time'
_trained = dict(warm_up=_base_.mse_alone, pretrained=('hrrm_x4', 'fpm_x4'))
methods = dict(
    fcg_gan=dict(label='FCG-GAN', config='../fcg_gan_x4.py', **_trained),
    mirrored=dict(
        label='FCG-GAN and its mirror image',
        config='../fcg_gan_mirrored_x4.py',
        checkpoint_of='fcg_gan',
        pretrained=_trained['pretrained'],
    ),
    residual=dict(label='added to the enlarged J', config='../ablations/fcg_gan_residual_x4.py', **_trained),
    supervised=dict(label='S, T and A supervised', config='../ablations/fcg_gan_supervised_x4.py', **_trained),
    fixed_norms=dict(label='pre-trained statistics kept', config='../ablations/fcg_gan_fixed_norms_x4.py', **_trained),
    l1=dict(label='L1', config='../ablations/fcg_gan_l1_x4.py', **_trained),
    psnr_loss=dict(label='mean PSNR as a loss', config='../ablations/fcg_gan_psnr_loss_x4.py', **_trained),
    held_rate=dict(label='learning rate held', config='../fcg_gan_x4.py', final_rate=1.0, **_trained),
    no_decay=dict(label='no weight decay', config='../ablations/fcg_gan_no_decay_x4.py', **_trained),
    hinge=dict(label='hinge', config='../ablations/fcg_gan_hinge_x4.py', **_trained),
    relativistic=dict(label='relativistic', config='../ablations/fcg_gan_relativistic_x4.py', **_trained),
    cross_entropy=dict(label='parsing by cross-entropy', config='../ablations/fcg_gan_cross_entropy_x4.py', **_trained),
    attention=dict(label='attention', config='../ablations/fcg_gan_attention_x4.py', **_trained),
    direct=dict(label='drawn at low resolution, larger trunk', config='../ablations/fcg_gan_direct_x4.py', **_trained),
    ema=dict(label='moving average', config='../ablations/fcg_gan_ema_x4.py', **_trained),
)
reference = 'fcg_gan'
metrics = [dict(type='LPIPS')]
