"""docs/extending.md: the networks of the page work, and its table has the options of NetworkTrunk."""

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from documents import ROOT, code_blocks, pages
from torch import nn

from rainrestore.engine.config import load_config
from rainrestore.models.networks import NetworkTrunk
from rainrestore.registry import MODELS

REGISTERED, PART, CONFIG, _ = code_blocks('extending', 'python')


@pytest.fixture
def own_trunk_is_forgotten() -> Iterator[None]:
    """The file of the page registers a class, which other tests must not find."""
    yield
    MODELS.module_dict.pop('MyTrunk', None)
    sys.modules.pop('my_net', None)


def trunk_of(config: str, folder: Path) -> nn.Module:
    path = folder / 'config.py'
    path.write_text(config.replace("'../configs/", f"'{ROOT / 'configs'}/"), encoding='utf-8')
    return MODELS.build(dict(load_config(path).model.generator.trunk, in_channels=6))


@pytest.mark.usefixtures('own_trunk_is_forgotten')
def test_custom_trunk_has_the_configured_width_and_no_tail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / 'my_net.py').write_text(PART, encoding='utf-8')
    monkeypatch.syspath_prepend(tmp_path)
    weights = trunk_of(CONFIG, tmp_path).state_dict()
    assert weights['net.head.weight'].shape == (48, 6, 3, 3)
    assert sum(key.startswith('net.blocks') and key.endswith('weight') for key in weights) == 8
    assert not any(key.startswith('net.tail') for key in weights)


def test_registered_network_has_its_published_size(tmp_path: Path) -> None:
    pytest.importorskip('mmagic')
    # 23 blocks of 3 dense blocks of 5 convolutions, and one convolution at each end
    dense = sum((64 + 32 * i) * (32 if i < 4 else 64) * 9 + (32 if i < 4 else 64) for i in range(5))
    ends = 6 * 64 * 9 + 64 + 64 * 64 * 9 + 64
    assert sum(p.numel() for p in trunk_of(REGISTERED, tmp_path).parameters()) == 23 * 3 * dense + ends


def test_table_lists_the_options_of_network_trunk() -> None:
    text = pages()['extending'].read_text(encoding='utf-8')
    rows = dict(re.findall(r'^\| `(\w+)` \| `?([\w\[\]]+)`? \|', text, re.MULTILINE))
    options = inspect.signature(NetworkTrunk).parameters
    assert rows.keys() == options.keys() - {'in_channels', 'network'}
    assert all(str(options[name].default).replace('()', '[]') == default for name, default in rows.items())
