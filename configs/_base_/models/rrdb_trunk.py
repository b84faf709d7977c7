# ESRGAN's trunk (Wang et al. 2018), reduced to the MACs of SRGAN's trunk: the published trunk has mid_channels=64,
# num_blocks=23, growth_channels=32.
_rrdb = dict(
    type='NetworkTrunk',
    network=dict(type='mmagic.RRDBNet', out_channels=3, mid_channels=32, num_blocks=3, growth_channels=16),
    after='conv_body',
    tail=['conv_up1', 'conv_up2', 'conv_hr', 'conv_last'],
)
