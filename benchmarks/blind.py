# The network for any rain, and the networks for rain_v1: on their training degradations, on others, and on clean faces.
title = 'Blind restoration'
methods = dict(
    bicubic=dict(label='Bicubic', config='bicubic_x4', checkpoint='none'),
    stretch=dict(label='Contrast stretch', config='stretch_x4', checkpoint='none'),
    fcg_gan=dict(
        label='FCG-GAN', config='fcg_gan_x4', checkpoint='rainrestore://fcg_gan_x4', pretrained=('fcg_gan_x4',)
    ),
    fcg_gan_plus=dict(
        label='FCG-GAN, beyond the paper',
        config='fcg_gan_plus_x4',
        checkpoint='rainrestore://fcg_gan_plus_x4',
        pretrained=('fcg_gan_plus_x4',),
    ),
    fcg_gan_blind=dict(
        label='FCG-GAN, blind',
        config='fcg_gan_blind_x4',
        checkpoint='rainrestore://fcg_gan_blind_x4',
        pretrained=('fcg_gan_blind_x4',),
    ),
)
tasks = dict(
    rain_v1=dict(label='rain_v1 at 32 pixels', config='fcg_gan_x4'),
    wide=dict(label='16 to 64 pixels, any rain or none, blur, sharpening, noise and JPEG', config='fcg_gan_blind_x4'),
    clean=dict(label='32 pixels, no degradation', config='clean_x4'),
    smaller=dict(label='16 to 22 pixels', config='smaller_x4'),
    downpour=dict(label='Unseen: four to six layers of rain', config='downpour_x4'),
    blurred=dict(label='Unseen: stronger blur', config='blurred_x4'),
    noisy=dict(label='Unseen: more noise, harder JPEG', config='noisy_x4'),
)
reference = 'fcg_gan'
metrics = [dict(type='LPIPS'), dict(type='IdentityDistance')]
