"""Pages of the documentation, and what is written in them, for tests that do what a page says."""

import re
from pathlib import Path

import pytest
from narrow import narrow

from rainrestore.cli.main import main
from rainrestore.engine.config import load_config

ROOT = Path(__file__).parents[1]
# What makes a documented training short; the faces are the bundled ones, or those of ``data``.
SHORT = """
train_dataloader = dict(batch_size=2, num_workers=0, persistent_workers=False, dataset=dict(limit=2))
val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(limit=1))
train_cfg = dict(max_iters=2, val_interval=2)
"""


def code_blocks(page: Path, language: str) -> list[str]:
    """The fenced code of one language, in order."""
    return re.findall(rf'```{language}\n(.*?)```', page.read_text(encoding='utf-8'), re.DOTALL)


def train_as_written(
    part: tuple[str, str], config: str, folder: Path, monkeypatch: pytest.MonkeyPatch, data: Path | None = None
) -> Path:
    """Save a trunk's file (name, code) and a config in ``folder``, train two iterations; the work dir.

    All but the trunk is narrowed.
    """
    name, code = part
    (folder / name).write_text(code, encoding='utf-8')
    config = re.sub(r"'(\.\./)*configs/", f"'{ROOT / 'configs'}/", config)
    (folder / 'mine.py').write_text(config, encoding='utf-8')
    monkeypatch.syspath_prepend(folder)
    around = narrow(load_config(folder / 'mine.py').model)
    del around['generator']['trunk']
    short = f"_base_ = 'mine.py'\nmodel = {around!r}{SHORT}"
    (folder / 'short.py').write_text(short, encoding='utf-8')
    command = ['train', str(folder / 'short.py'), '--work-dir', str(folder / 'run')]
    assert main([*command, '--data', str(data)] if data else command) == 0
    assert (folder / 'run' / 'iter_2.pth').is_file()
    return folder / 'run'
