"""What the README and the other pages show works as it stands there."""

import re
from pathlib import Path

import pytest
from documents import ROOT, code_blocks, train_as_written

from rainrestore.cli.main import build_parser

PAGES = {path.stem: path for path in (ROOT / 'README.md', ROOT / 'model_zoo.md', *sorted((ROOT / 'docs').glob('*.md')))}

COMMANDS = [
    (name, f'{tool or command}{arguments}')
    for name, path in PAGES.items()
    for tool, command, arguments in re.findall(
        r'^(?:\w+=\S+ )*(?:python tools/(train|test)\.py|rainrestore (\w+))((?: [^#\n]*)?)',
        path.read_text(encoding='utf-8'),
        re.MULTILINE,
    )
]


def test_named_files_exist() -> None:
    named = {
        path
        for page in PAGES.values()
        for path in re.findall(
            r'\b(?:tools|configs|docs|data|tests)/[\w./-]+\.\w+', page.read_text(encoding='utf-8')
        )
    }  # fmt: skip
    missing = {path for path in named if not (ROOT / path).exists()}
    assert named
    assert not missing


@pytest.mark.parametrize(('page', 'command'), COMMANDS)
def test_command_parses(page: str, command: str) -> None:
    """Every command line is one that the program takes."""
    build_parser(command.split()).parse_args(command.split())


def test_part_of_your_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The README's trunk in a file outside the package, named by the README's config, trains."""
    pytest.importorskip('mmagic')
    *_, part, config = code_blocks(PAGES['README'], 'python')
    train_as_written(('my_trunk.py', part), config, tmp_path, monkeypatch)
