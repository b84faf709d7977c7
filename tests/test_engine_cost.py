"""Parameters and multiply-accumulates against counts by hand."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from rainrestore.cli.main import main
from rainrestore.engine.cost import measure_cost

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'


class Restorer(nn.Module):
    """Slots with every kind of counted layer, on 3 x 6 x 8 images."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Conv2d(4, 8, 3, stride=2, padding=1, groups=2),
            nn.ConvTranspose2d(8, 4, 2, stride=2),
        )
        self.linear = nn.Linear(4, 6)
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True)
        self.encoder = nn.TransformerEncoderLayer(6, 2, 10, batch_first=True)
        self.discriminator = nn.Linear(5, 5)
        self.perceptual_loss = nn.Linear(7, 7)

    def forward(self, inputs, mode):
        assert mode == 'tensor' and not self.training
        tokens = self.linear(self.convolutions(inputs).flatten(2).mT)
        tokens = self.attention(tokens, tokens, tokens, need_weights=False)[0]
        return F.scaled_dot_product_attention(self.encoder(tokens), tokens, tokens)


def test_count_of_every_layer_equals_a_count_by_hand():
    model = Restorer().train()
    found = measure_cost(model, 6, 8)
    tokens, width = 6 * 8, 6
    attention = tokens * width * 3 * width + 2 * tokens * tokens * width + tokens * width * width
    expected = {
        'convolutions': 6 * 8 * 4 * 3 * 9 + 3 * 4 * 8 * 2 * 9 + 3 * 4 * 8 * 4 * 4,
        'linear': tokens * 4 * 6,
        'attention': attention,
        'encoder': attention + 2 * tokens * width * 10,
    }
    assert {name: cost.macs for name, cost in found.slots.items()} == {**expected, 'discriminator': None}
    # no slot contains the last attention
    assert found.macs == sum(expected.values()) + 2 * tokens * tokens * width
    assert found.slots['convolutions'].parameters == (3 * 9 + 1) * 4 + 8 + (2 * 9 + 1) * 8 + 8 * 4 * 4 + 4
    assert found.slots['discriminator'].parameters == 30
    assert found.parameters == sum(cost.parameters for cost in found.slots.values()) - 30
    assert model.training and torch.backends.mha.get_fastpath_enabled()


def test_image_without_pixels_is_refused():
    with pytest.raises(ValueError, match='no pixels'):
        measure_cost(Restorer(), 0, 8)


def test_command_counts_the_generator_as_by_hand(capsys):
    pytest.importorskip('mmagic')
    options = ['--cfg-options', 'model.generator.trunk.channels=8', 'model.generator.trunk.num_blocks=2',
               'model.generator.channels=4', 'model.perceptual_loss=None']  # fmt: skip
    assert main(['get_flops', str(CONFIGS / 'srgan' / 'srgan_x4.py'), '--shape', '8', '12', *options]) == 0
    printed = capsys.readouterr().out
    summary = json.loads(printed.splitlines()[-1])
    small = 8 * 12
    trunk = 3 * 8 * 81 + 2 * 2 * 8 * 8 * 9 + 8 * 8 * 9
    macs = small * (trunk + 8 * 16 * 9) + 4 * small * 4 * 16 * 9 + 16 * small * 4 * 3 * 81
    assert summary['slots']['generator']['macs'] == summary['macs'] == macs
    assert summary['slots']['discriminator']['macs'] is None
    assert (summary['height'], summary['width']) == (8, 12)
    assert 'training only' in printed


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['none.py'], 'none.py: no such config'),
        ([CONFIGS / '_base_' / 'runtime.py'], 'has no "model"'),
        (
            [CONFIGS / 'srgan' / 'srgan_x4.py', '--shape', '0'],
            '--shape: expected one or two sides of at least 1, got 0',
        ),
        ([CONFIGS / 'srgan' / 'srgan_x4.py', '--shape', '1', '2', '3'], 'got 1 2 3'),
    ],
)
def test_error_for_wrong_input_is_one_line(words, message, capsys):
    assert main(['get_flops', *map(str, words)]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count('\n') == 1
