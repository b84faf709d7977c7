"""Trunks of the generator: they map the low-resolution images to a feature map of the same size.

The contract of the slot ``FCGGenerator(trunk=...)``: the constructor takes ``in_channels``; ``forward`` maps
(N, in_channels, h, w) to (N, out_channels, h, w); the attribute ``out_channels`` is the width.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from torch import Tensor, nn

from rainrestore.errors import ConfigError
from rainrestore.models.networks.layers import conv_norm, crop_to, pad_to_multiple
from rainrestore.optional import optional_import
from rainrestore.registry import MODELS


class _SRResBlock(nn.Module):
    """x + conv-BN-PReLU-conv-BN(x)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(conv_norm(channels, channels), nn.PReLU(), conv_norm(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


@MODELS.register_module()
class SRResNetTrunk(nn.Module):
    """The residual trunk of SRGAN (Ledig et al. 2017).

    9x9 convolution and PReLU, ``num_blocks`` residual blocks, 3x3 convolution and BN, plus the first layer's output.

    Args:
        in_channels: Channels of the stacked images.
        channels: Width, 64 in the paper.
        num_blocks: Number of residual blocks, 16 in the paper.
    """

    def __init__(self, in_channels: int, channels: int = 64, num_blocks: int = 16) -> None:
        super().__init__()
        self.out_channels = channels
        self.stem = nn.Sequential(nn.Conv2d(in_channels, channels, 9, padding=4), nn.PReLU())
        self.blocks = nn.Sequential(*(_SRResBlock(channels) for _ in range(num_blocks)), conv_norm(channels, channels))

    def forward(self, image: Tensor) -> Tensor:
        """(N, in_channels, h, w) -> (N, channels, h, w)."""
        x = self.stem(image)
        return x + self.blocks(x)


@MODELS.register_module()
class EDSRTrunk(nn.Module):
    """The residual trunk of EDSR (Lim et al. 2017): SRResNet without batch norm.

    3x3 convolution, ``num_blocks`` blocks x + s conv-ReLU-conv(x) with s = ``residual_scale``, 3x3 convolution, plus
    the first layer's output. The result for a face does not depend on its batch. ``mmagic.EDSRNet`` of the same width
    and depth with ``res_scale=0.1`` (default 1) in a :class:`NetworkTrunk` is the same network, but needs mmagic.

    Args:
        in_channels: Channels of the stacked images.
        channels: Width, 256 in the paper.
        num_blocks: Number of residual blocks, 32 in the paper.
        residual_scale: Factor of each residual branch, 0.1 in the paper.
    """

    def __init__(
        self, in_channels: int, channels: int = 256, num_blocks: int = 32, residual_scale: float = 0.1
    ) -> None:
        super().__init__()
        self.out_channels = channels
        self.residual_scale = residual_scale
        self.stem = nn.Conv2d(in_channels, channels, 3, padding=1)
        convolution = partial(nn.Conv2d, channels, channels, 3, padding=1)
        self.blocks = nn.ModuleList(nn.Sequential(convolution(), nn.ReLU(), convolution()) for _ in range(num_blocks))
        self.fuse = convolution()

    def forward(self, image: Tensor) -> Tensor:
        """(N, in_channels, h, w) -> (N, channels, h, w)."""
        stem = x = self.stem(image)
        for block in self.blocks:
            x = x + self.residual_scale * block(x)
        return stem + self.fuse(x)


@MODELS.register_module()
class NetworkTrunk(nn.Module):
    """The trunk of a super-resolution network of another package, without its upsampling layers.

    Super-resolution networks compute ``x = first(image); x = x + after(body(x))``, followed by a tail that enlarges x
    and computes RGB. The tail and its weights are deleted, because the generator has its own tail. Examples are the
    trunks of ESRGAN (Wang et al. 2018) and SwinIR (Liang et al. 2021)::

        trunk=dict(
            type='NetworkTrunk',
            network=dict(type='mmagic.RRDBNet', out_channels=3, mid_channels=64, num_blocks=23, growth_channels=32),
            after='conv_body',
            tail=['conv_up1', 'conv_up2', 'conv_hr', 'conv_last'],
        )
        trunk=dict(
            type='NetworkTrunk',
            network=dict(type='mmagic.SwinIRNet', img_size=32, window_size=8),
            in_option='in_chans',
            body='forward_features',
            after='conv_after_body',
            tail=['conv_last'],
            multiple=8,
        )

    and of SRGAN (``x = body(first(image))``)::

        trunk=dict(
            type='NetworkTrunk',
            network=dict(type='mmagic.MSRResNet', out_channels=3, mid_channels=64, num_blocks=16),
            first=('conv_first', 'lrelu'),
            body='trunk_net',
            after=None,
            tail=['upsample1', 'upsample2', 'conv_hr', 'conv_last'],
        )

    The ``forward`` of the network is not called. SwinIR's mean and ``img_range`` are therefore not applied, and the
    input is in [0, 1] as for every trunk. The network is initialised by its constructor, and by its ``init_cfg`` if it
    has one.

    Args:
        in_channels: Channels of the stacked images.
        network: Config of the network, without its number of input channels.
        in_option: The network's option for the number of input channels.
        first: Name of the first convolution, or names of the first layers, beginning with the convolution.
        body: Name of the body, a module or a method.
        after: Name of the last layer of the residual branch; None for a body without a skip connection.
        tail: Names of the modules to delete.
        multiple: The image is padded by reflection so that its sides are multiples of this (window size, 2^halvings);
            the features are cropped.

    Raises:
        ConfigError: The network lacks a module, or its first convolution has other input channels.
        MissingPackageError: The config names mmagic, which is not installed.
    """

    def __init__(
        self,
        in_channels: int,
        network: dict,
        in_option: str = 'in_channels',
        first: str | Sequence[str] = 'conv_first',
        body: str = 'body',
        after: str | None = 'conv_after_body',
        tail: Sequence[str] = (),
        multiple: int = 1,
    ) -> None:
        super().__init__()
        name = str(network.get('type'))
        if name.startswith('mmagic.'):
            # mmengine finds a scope only after its package is imported.
            optional_import('mmagic.models', name)
        self.network: Any = MODELS.build({**network, in_option: in_channels})
        if getattr(self.network, 'init_cfg', None):
            # Before the tail is deleted, because init_weights may access it.
            self.network.init_weights()
        self.first = (first,) if isinstance(first, str) else tuple(first)
        self.body, self.after = body, after
        used = [*self.first, body, *([] if after is None else [after]), *tail]
        missing = [part for part in used if not hasattr(self.network, part)]
        if missing:
            parts = ', '.join(key for key, _ in self.network.named_children())
            raise ConfigError(f'NetworkTrunk: {name} has no {missing[0]!r}; its modules are {parts}')
        self.multiple = multiple
        convolution = getattr(self.network, self.first[0])
        self.out_channels: int = convolution.out_channels
        if convolution.in_channels != in_channels:
            raise ConfigError(
                f'NetworkTrunk: {self.first[0]!r} of {name} has {convolution.in_channels} input channels instead of '
                f'{in_channels}: in_option={in_option!r} is wrong, or the network rearranges its input'
            )
        for part in tail:
            delattr(self.network, part)

    def forward(self, image: Tensor) -> Tensor:
        """(N, in_channels, h, w) -> (N, out_channels, h, w). Any sides."""
        x = pad_to_multiple(image, self.multiple, reflect=True)
        for layer in self.first:
            x = getattr(self.network, layer)(x)
        features = getattr(self.network, self.body)(x)
        if self.after is not None:
            features = x + getattr(self.network, self.after)(features)
        return crop_to(features, image)
