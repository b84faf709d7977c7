"""The page on trunks of one's own: its code trains, its check passes, its table is NetworkTrunk's."""

import inspect
import re
from pathlib import Path

import pytest
import torch
from documents import ROOT, code_blocks, train_as_written

from rainrestore.engine.config import load_config
from rainrestore.models.networks import NetworkTrunk
from rainrestore.registry import MODELS

PAGE = ROOT / 'docs' / 'extending.md'
REGISTERED, PART, CONFIG, CHECK = code_blocks(PAGE, 'python')


@pytest.fixture
def own_trunk_is_forgotten() -> None:
    """The page's file registers a class, which must not stay for other tests."""
    yield
    MODELS.module_dict.pop('MyTrunk', None)


@pytest.mark.usefixtures('own_trunk_is_forgotten')
def test_network_of_ones_own_trains_and_passes_the_check(
    tmp_path: Path, face_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip('mmagic')
    run = train_as_written(('my_net.py', PART), CONFIG, tmp_path, monkeypatch, data=face_folder)
    weights = torch.load(run / 'iter_2.pth', weights_only=False)['state_dict']
    assert weights['generator.trunk.net.head.weight'].shape == (48, 6, 3, 3)
    assert not any(key.startswith('generator.trunk.net.tail') for key in weights)
    exec(compile(CHECK, str(PAGE), 'exec'), {})


def test_registered_network_builds_as_shown(tmp_path: Path) -> None:
    pytest.importorskip('mmagic')
    config = REGISTERED.replace("'../configs/", f"'{ROOT / 'configs'}/")
    (tmp_path / 'rrdb.py').write_text(config, encoding='utf-8')
    trunk = MODELS.build(dict(load_config(tmp_path / 'rrdb.py').model.generator.trunk, in_channels=6))
    # 23 blocks of 3 dense blocks of 5 convolutions, and one at each end
    dense = sum((64 + 32 * i) * (32 if i < 4 else 64) * 9 + (32 if i < 4 else 64) for i in range(5))
    ends = 6 * 64 * 9 + 64 + 64 * 64 * 9 + 64
    assert sum(p.numel() for p in trunk.parameters()) == 23 * 3 * dense + ends


def test_table_lists_the_options() -> None:
    rows = dict(re.findall(r'^\| `(\w+)` \| `?([\w\[\]]+)`? \|', PAGE.read_text(encoding='utf-8'), re.MULTILINE))
    options = inspect.signature(NetworkTrunk).parameters
    assert rows.keys() == options.keys() - {'in_channels', 'network'}
    assert all(str(options[name].default).replace('()', '[]') == default for name, default in rows.items())
