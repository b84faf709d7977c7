"""What the README shows works as it stands there."""

import re
from pathlib import Path

import pytest

from rainrestore.cli.main import build_parser, main

ROOT = Path(__file__).parents[1]
README = (ROOT / 'README.md').read_text(encoding='utf-8')
PAGES = [README, (ROOT / 'model_zoo.md').read_text(encoding='utf-8')]
BLOCKS = re.findall(r'```(\w+)\n(.*?)```', README, re.DOTALL)


def test_named_files_exist() -> None:
    named = {path for page in PAGES for path in re.findall(r'\b(?:tools|configs|docs|data|tests)/[\w./-]+\.\w+', page)}
    missing = {path for path in named if not (ROOT / path).exists()}
    assert named
    assert not missing


@pytest.mark.parametrize('page', PAGES, ids=['README', 'model_zoo'])
def test_commands_parse(page: str) -> None:
    """Every command line is one that the program takes."""
    commands = re.findall(r'^(?:python tools/(train|test)\.py|rainrestore (\w+))((?: [^#\n]*)?)', page, re.MULTILINE)
    assert commands
    for tool, command, arguments in commands:
        line = [tool or command, *arguments.split()]
        build_parser(line).parse_args(line)


def test_part_of_your_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The README's trunk in a file outside the package, named by the README's config, trains."""
    pytest.importorskip('mmagic')
    part, config = (code for language, code in BLOCKS if language == 'python')
    (tmp_path / 'my_trunk.py').write_text(part, encoding='utf-8')
    config = config.replace("'configs/", f"'{ROOT / 'configs'}/")
    config += """
train_dataloader = dict(batch_size=2, num_workers=0, persistent_workers=False, dataset=dict(limit=2))
val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(limit=1))
train_cfg = dict(max_iters=1, val_interval=1)
"""
    (tmp_path / 'mine.py').write_text(config, encoding='utf-8')
    monkeypatch.syspath_prepend(tmp_path)
    assert main(['train', str(tmp_path / 'mine.py'), '--work-dir', str(tmp_path / 'run')]) == 0
    assert (tmp_path / 'run' / 'iter_1.pth').is_file()
