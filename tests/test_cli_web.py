"""``rainrestore web`` before the page starts: requirements, and messages if they are missing."""

import sys

import pytest

from rainrestore.cli.main import build_parser, main
from rainrestore.optional import optional_import


def test_without_gradio_the_command_says_how_to_get_it(monkeypatch, capsys):
    optional_import.cache_clear()
    monkeypatch.setitem(sys.modules, 'gradio', None)
    assert main(['web']) == 2
    assert 'python tools/install.py --web' in capsys.readouterr().err


def test_only_this_computer_reaches_the_page_unless_asked_otherwise():
    args = build_parser(['web']).parse_args(['web'])
    assert (args.host, args.port) == ('127.0.0.1', 7860)


@pytest.mark.parametrize('option', ['--share', '--port=x'])
def test_an_option_that_is_none_is_refused(option, capsys):
    with pytest.raises(SystemExit, match='2'):
        main(['web', option])
    assert option.partition('=')[0] in capsys.readouterr().err
