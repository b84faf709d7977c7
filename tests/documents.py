"""The fenced code of the documentation pages, and the commands in it."""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
SHELL = ('sh', 'bash', 'shell', 'console')
#: A command that starts several processes -> the command of one process. Other tests start the processes.
LAUNCHERS = [
    (r'tools/dist_train\.sh (\S+) \d+', r'rainrestore train \1'),
    (r'tools/dist_test\.sh (\S+ \S+) \d+', r'rainrestore test \1'),
    (r'tools/slurm_train\.sh \S+ \S+ (\S+) (\S+)', r'rainrestore train \1 --work-dir \2'),
    (r'tools/slurm_test\.sh \S+ \S+ (\S+ \S+)', r'rainrestore test \1'),
    (r'torchrun .*-m rainrestore\.cli\.main (.*) --launcher \w+', r'rainrestore \1'),
]
#: Shell syntax that cannot be run as a list of words.
SHELL_SYNTAX = re.compile(r'[|<>;`]|\$\(|&(?!&)|^(for|if|while)\b')


class Block(NamedTuple):
    """A piece of fenced code."""

    page: str
    line: int
    language: str
    """The first word after the fence, such as ``sh``; in braces, a directive of the site."""
    text: str
    file: str | None
    """The file that the reader saves it as: the last one that the paragraph before it names and that is not here."""


class Command(NamedTuple):
    """A line that a reader types."""

    page: str
    line: int
    text: str

    @property
    def plain(self) -> str:
        """The command without the comment after it."""
        return self.text.split(' #')[0].strip()

    def _split(self) -> list[str]:
        text = self.plain
        for launcher, one_process in LAUNCHERS:
            text = re.sub(launcher, one_process, text)
        return shlex.split(text)

    @property
    def words(self) -> list[str]:
        """The program and its arguments, without environment variables; for a launcher, the launched command."""
        return self._split()[len(self.environment) :]

    @property
    def environment(self) -> dict[str, str]:
        """``NAME=VALUE`` in front of the program."""
        words = self._split()
        count = next((i for i, word in enumerate(words) if not re.match(r'[A-Z_]+=', word)), len(words))
        return dict(word.split('=', 1) for word in words[:count])

    def subcommand(self) -> str | None:
        """The subcommand of ``rainrestore``, or that of the script in tools/; None for another program."""
        match self.words:
            case ['rainrestore', name, *_]:
                return name
            case ['python', script, *_] if script.startswith('tools/'):
                return Path(script).stem
        return None


@cache
def pages() -> dict[str, Path]:
    """Name -> page: the README, the model zoo, the pages in docs/ by path, and the READMEs of the configs."""
    docs = ROOT / 'docs'
    written = {path.relative_to(docs).with_suffix('').as_posix(): path for path in sorted(docs.rglob('*.md'))}
    families = {f'configs/{path.parent.name}': path for path in sorted((ROOT / 'configs').glob('*/README.md'))}
    named = {'README': ROOT / 'README.md', **written, 'model_zoo': ROOT / 'model_zoo.md'}
    return {name: path for name, path in named.items() if _is_source(path)} | families


def _is_source(path: Path) -> bool:
    """Whether the page has its own text; docs/model_zoo.md only includes another page."""
    return not path.read_text(encoding='utf-8').startswith('```{include}')


def _blocks(page: str, text: str) -> Iterator[Block]:
    paragraph: list[str] = []
    lines = iter(enumerate(text.splitlines(), 1))
    for number, line in lines:
        fence = re.match(r'( *)(```+|~~~+)(.*)$', line)
        if fence is None:
            # the paragraph continues over the empty line between it and its code
            if line.strip() and paragraph and not paragraph[-1].strip():
                paragraph = []
            paragraph.append(line)
            continue
        indent, marks, info = fence.groups()
        code = []
        for _, inside in lines:
            if re.fullmatch(rf'\s*{re.escape(marks)}\s*', inside):
                break
            code.append(inside.removeprefix(indent) + '\n')
        else:
            raise ValueError(f'{page}:{number}: this code has no end')
        named = [name for name in re.findall(r'`([\w./-]+\.py)`', ' '.join(paragraph)) if not (ROOT / name).exists()]
        yield Block(page, number, (info.split() or [''])[0], ''.join(code), named[-1] if named else None)
        paragraph = []


@cache
def blocks() -> list[Block]:
    """The fenced code of every page, in order."""
    return [block for name, path in pages().items() for block in _blocks(name, path.read_text(encoding='utf-8'))]


def code_blocks(page: str, language: str) -> list[str]:
    """The code of one page in one language, in order."""
    return [block.text for block in blocks() if (block.page, block.language) == (page, language)]


@cache
def commands() -> list[Command]:
    """Every command of every page. Lines that end in a backslash are one command; ``&&`` joins several commands."""
    found = []
    for block in blocks():
        if block.language not in SHELL:
            continue
        text = block.text.replace('\\\n', '  ')
        for number, line in enumerate(text.splitlines(), block.line + 1):
            plain = line.strip().removeprefix('$ ')
            found += [
                Command(block.page, number, part.strip())
                for part in plain.split('&&')
                if part.strip() and not part.strip().startswith('#')
            ]
    return found
