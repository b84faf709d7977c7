"""``rainrestore list`` prints every registered component once, with a description."""

import re

import pytest
from mmengine.registry import Registry

from rainrestore import registry
from rainrestore.cli.list import KINDS
from rainrestore.cli.main import main


def listed(capsys, *words: str) -> dict[str, str]:
    assert main(['list', *words]) == 0
    lines = [re.fullmatch(r'  (\w+) +(\S.*)', line) for line in capsys.readouterr().out.splitlines()]
    return {line[1]: line[2] for line in lines if line}


def test_every_component_is_listed_once_with_a_description(capsys):
    found = listed(capsys)
    for part in vars(registry).values():
        if isinstance(part, Registry) and part.scope == registry.SCOPE:
            part.import_from_location()
            ours = {key for key, item in part.module_dict.items() if item.__module__.startswith('rainrestore.')}
            assert ours <= found.keys()
    assert all(len(sentence) > 10 and '``' not in sentence and ':class:' not in sentence for sentence in found.values())
    assert sorted(found) == sorted(name for kind in KINDS for name in listed(capsys, kind))


def test_list_filters_by_kind_and_shows_the_page_of_a_component(capsys):
    losses = listed(capsys, 'losses')
    networks = listed(capsys, 'networks')
    assert networks['MultiScalePatchDiscriminator'].startswith(
        'Patch discriminators for the image at full, half, ... size'
    )
    assert losses['MSELoss'].startswith('f_MSE(H, H^) = loss_weight')
    assert 'HRRM' not in losses
    assert main(['list', 'HRRM']) == 0
    page = capsys.readouterr().out
    assert page.startswith('HRRM(encoder: dict') and 'Args:' in page


@pytest.mark.parametrize(('given', 'meant'), [('loses', 'losses'), ('fcggenerater', 'FCGGenerator')])
def test_error_for_a_misspelt_name_is_one_line_with_a_suggestion(capsys, given, meant):
    assert main(['list', given]) == 2
    error = capsys.readouterr().err
    assert f'{given!r} (did you mean {meant!r}?)' in error and error.count('\n') == 1
