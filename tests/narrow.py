"""Reduce the model of any config to tiny widths, with the same slots."""

from collections.abc import Mapping
from typing import Any

ENCODER = dict(blocks=(1, 1), stem_channels=8)
ENCODERS = {'DenseNetEncoder': dict(growth=4)}
NETWORKS = {
    'mmagic.RRDBNet': dict(mid_channels=8, num_blocks=1, growth_channels=4),
    'mmagic.SwinIRNet': dict(embed_dim=8, depths=[2], num_heads=[2]),
}
PARTS: dict[str | None, dict[str, Any]] = {
    'FaceParsingUNet': dict(base_channels=4, init_cfg=None),
    'SRGANDiscriminator': dict(base_channels=4),
    'RaindropUNet': dict(base_channels=4),
    'ImageToImageGenerator': dict(network=dict(base_channels=4)),
    'MultiScalePatchDiscriminator': dict(base_channels=4),
    'mmagic.PatchDiscriminator': dict(base_channels=4),
    'HeavyRainEstimator': dict(
        decomposition=dict(radii=(2,)),
        streak=dict(channels=8, num_blocks=1),
        transmission=dict(base_channels=4),
        airlight=dict(base_channels=4),
    ),
    'RefinementUNet': dict(base_channels=4),
    'DepthGuidedDiscriminator': dict(base_channels=4),
}


def narrow_trunk(trunk: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a tiny trunk; empty for an unknown trunk."""
    if 'network' in trunk:
        return dict(network=NETWORKS[trunk['network']['type']])
    return dict(channels=8, num_blocks=1) if trunk['type'] in ('SRResNetTrunk', 'EDSRTrunk') else {}


def narrow_part(part: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a tiny component of a slot; empty for an unknown component."""
    if part.get('type') == 'HRRM':
        encoder = part['encoder']['type']
        if encoder == 'TorchvisionEncoder':
            return dict(encoder=dict(name='resnet18'), decoder_growth=(8, 8, 8, 8, 4, 4), bottleneck=1, init_cfg=None)
        tiny = dict(type=encoder, **ENCODER, **ENCODERS.get(encoder, {}), _delete_=True)
        return dict(encoder=tiny, decoder_growth=(8, 8, 4), init_cfg=None)
    if part.get('type') == 'RainMixture':
        experts = [{**expert, **narrow_part(expert)} for expert in part['experts']]
        for expert in experts:
            expert['encoder'].pop('_delete_')
        return dict(experts=experts, channels=8, init_cfg=None)
    if part.get('type') == 'FCGGenerator':
        own = dict(init_cfg=None) if part.get('init_cfg') else {}
        return dict(trunk=narrow_trunk(part['trunk']), channels=8, **own)
    return PARTS.get(part.get('type'), {})


def narrow(model: Mapping[str, Any]) -> dict[str, Any]:
    """``model`` of a config -> its changes for a training of seconds."""
    parts = {slot: part for slot, part in model.items() if isinstance(part, Mapping)}
    changes = {slot: tiny for slot, part in parts.items() if (tiny := narrow_part(part))}
    if model.get('local_discriminators'):
        discriminator = dict(discriminator=dict(base_channels=4))
        changes['local_discriminators'] = dict.fromkeys(model['local_discriminators'], discriminator)
    return changes
