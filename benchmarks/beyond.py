# The network of the paper and the network beyond it, with the weights of the zoo.
title = 'Beyond the paper'
methods = dict(
    stretch=dict(label='Contrast stretched', config='stretch_x4', checkpoint='none'),
    **{
        name: dict(label=label, config=f'{config}_x4', checkpoint=f'rainrestore://{zoo}', pretrained=(zoo,))
        for name, label, config, zoo in (
            ('fcg_gan', 'FCG-GAN', 'fcg_gan', 'fcg_gan_x4'),
            ('mirrored', 'FCG-GAN and its mirror image', 'fcg_gan_mirrored', 'fcg_gan_x4'),
            ('fcg_gan_plus', 'FCG-GAN, beyond the paper', 'fcg_gan_plus', 'fcg_gan_plus_x4'),
        )
    },
)
reference = 'fcg_gan'
metrics = [dict(type='LPIPS'), dict(type='IdentityDistance')]
