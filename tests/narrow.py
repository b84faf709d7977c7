"""Tiny widths for the model of any config, its slots filled as the config has them."""

from collections.abc import Mapping
from typing import Any

ENCODER = dict(blocks=(1, 1), stem_channels=8)
ENCODERS = {'DenseNetEncoder': dict(growth=4)}
NETWORKS = {
    'mmagic.RRDBNet': dict(mid_channels=8, num_blocks=1, growth_channels=4),
    'mmagic.SwinIRNet': dict(embed_dim=8, depths=[2], num_heads=[2]),
}


def narrow_trunk(trunk: Mapping[str, Any]) -> dict[str, Any]:
    """What makes a trunk tiny; one that is not known is replaced."""
    if 'network' in trunk:
        return dict(network=NETWORKS[trunk['network']['type']])
    return dict(type='SRResNetTrunk', channels=8, num_blocks=1, _delete_=True)


def narrow(model: Mapping[str, Any]) -> dict[str, Any]:
    """A config's ``model`` -> what a config that inherits it says about ``model`` to train it in seconds."""
    changes: dict[str, Any] = {}
    if model.get('rain_removal'):
        encoder = model['rain_removal']['encoder']['type']
        tiny = dict(type=encoder, **ENCODER, **ENCODERS.get(encoder, {}), _delete_=True)
        changes['rain_removal'] = dict(encoder=tiny, decoder_growth=(8, 8, 4), init_cfg=None)
    if model.get('face_parser'):
        changes['face_parser'] = dict(base_channels=4, init_cfg=None)
    if model.get('generator'):
        changes['generator'] = dict(trunk=narrow_trunk(model['generator']['trunk']), channels=8)
    if model.get('discriminator'):
        changes['discriminator'] = dict(base_channels=4)
    if model.get('local_discriminators'):
        critic = dict(discriminator=dict(base_channels=4))
        changes['local_discriminators'] = dict.fromkeys(model['local_discriminators'], critic)
    return changes
