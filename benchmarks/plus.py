# Changes to the paper's network with similar MACs, one at a time.
_base_ = 'rainrestore::_base_/models/mse_alone.py'

title = 'One change at a time'
_trained = dict(warm_up=_base_._mse_alone, pretrained=('hrrm_x4', 'fpm_x4'))
methods = dict(
    fcg_gan=dict(label='FCG-GAN', config='fcg_gan_x4', **_trained),
    mirrored=dict(
        label='FCG-GAN and its mirror image',
        config='fcg_gan_mirrored_x4',
        checkpoint_of='fcg_gan',
        pretrained=_trained['pretrained'],
    ),
    residual=dict(label='added to the enlarged J', config='fcg_gan_residual_x4', **_trained),
    supervised=dict(label='S, T and A supervised', config='fcg_gan_supervised_x4', **_trained),
    freeze_bn=dict(label='pre-trained statistics kept', config='fcg_gan_freeze_bn_x4', **_trained),
    l1=dict(label='L1', config='fcg_gan_l1_x4', **_trained),
    psnr_loss=dict(label='mean PSNR as a loss', config='fcg_gan_psnr_loss_x4', **_trained),
    # the learning rate of the zoo's fcg_gan_x4 falls
    constant_rate=dict(
        label='constant learning rate', config='fcg_gan_x4', final_rate=1.0, zoo='fcg_gan_constant_rate_x4', **_trained
    ),
    literal_decay=dict(label='Adam with weight decay 1e-4', config='fcg_gan_literal_decay_x4', **_trained),
    hinge=dict(label='hinge', config='fcg_gan_hinge_x4', **_trained),
    relativistic=dict(label='relativistic', config='fcg_gan_relativistic_x4', **_trained),
    squared_parsing=dict(label='parsing by squared error', config='fcg_gan_squared_parsing_x4', **_trained),
    strong_locals=dict(label='larger weights of the discriminators', config='fcg_gan_strong_locals_x4', **_trained),
    attention=dict(label='attention', config='fcg_gan_attention_x4', **_trained),
    subpixel_head=dict(label='sub-pixel head, larger trunk', config='fcg_gan_subpixel_head_x4', **_trained),
    ema=dict(label='moving average', config='fcg_gan_ema_x4', **_trained),
)
reference = 'fcg_gan'
metrics = [dict(type='LPIPS')]
