# SwinIR's trunk (Liang et al. 2021), reduced: SwinIR itself has embed_dim=180, depths=[6] * 6, num_heads=[6] * 6.
_swinir = dict(
    type='NetworkTrunk',
    # img_size: input side for which the masks of the shifted windows are stored; others are computed on demand
    network=dict(
        type='mmagic.SwinIRNet',
        img_size=32,
        window_size=8,
        embed_dim=48,
        depths=[4, 4],
        num_heads=[4, 4],
        mlp_ratio=2,
    ),
    in_option='in_chans',
    body='forward_features',
    after='conv_after_body',
    tail=['conv_last'],
    multiple=8,
)
