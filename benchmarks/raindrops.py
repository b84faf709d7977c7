# The three networks for raindrops on glass, with the weights of the zoo.
title = 'Raindrops on glass'
methods = dict(
    raindrops=dict(label='Behind the drops', config='raindrops_128', checkpoint='none'),
    **{
        name: dict(label=label, config=name, checkpoint=f'rainrestore://{name}', pretrained=(name,))
        for name, label in (
            ('raindrop_cgan', 'Conditional GAN'),
            ('raindrop_pix2pix_penalties', 'Pix2Pix'),
            ('raindrop_plus', 'U-Net with drop mask'),
        )
    },
)
reference = 'raindrops'
side = 128
metrics = [dict(type='LPIPS'), dict(type='IdentityDistance')]
