"""``rainrestore web`` before the page starts: requirements, and messages if they are missing."""

import sys

import pytest

from rainrestore.cli.main import build_parser, main
from rainrestore.optional import optional_import


def test_error_without_gradio_names_the_install_command(monkeypatch, capsys):
    optional_import.cache_clear()
    monkeypatch.setitem(sys.modules, 'gradio', None)
    assert main(['web']) == 2
    assert 'python tools/install.py --web' in capsys.readouterr().err


def test_page_listens_on_localhost_by_default():
    args = build_parser(['web']).parse_args(['web'])
    assert (args.host, args.port) == ('127.0.0.1', 7860)


@pytest.mark.parametrize('option', ['--share', '--port=x'])
def test_invalid_option_is_refused(option, capsys):
    with pytest.raises(SystemExit, match='2'):
        main(['web', option])
    assert option.partition('=')[0] in capsys.readouterr().err
