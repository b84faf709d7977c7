"""``model_zoo.md`` and the curves on it: written from the index, around the prose of a template."""

import re
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from rainrestore.errors import ConfigError
from rainrestore.files import sha256_of, whole_file
from rainrestore.visualization.curves import plot_curves
from rainrestore.zoo.figures import HEADLINES, checkpoint_of, digits, stated
from rainrestore.zoo.index import Entry, Zoo, read_index, zoo_entry
from rainrestore.zoo.training_log import read_log

PAGE, TEMPLATE, CURVES = 'model_zoo.md', 'docs/model_zoo.md.in', 'docs/images/zoo'
#: Where the commands on the page find the faces that are not bundled.
DATA = 'data/celebamask128'
FACES = 'Face restoration'
#: Columns of the table of figures: title, and the keys of what is in it.
COLUMNS = (('PSNR / SSIM', ('PSNR', 'SSIM')), ('LPIPS', ('LPIPS',)), ('Y', ('PSNR_Y',)), ('crop 4', ('PSNR_crop4',)))
#: What a curve shows beside the loss: the first of these that the run has logged.
VALIDATED = tuple(keys[0] for keys in HEADLINES.values())
#: Figures of the table of models -> how they are called there.
NAMES = {'PSNR_lr_img': 'PSNR of J {} dB', 'mIoU': 'mIoU {}'}
CURVE_WIDTH, COLOURS = 560, 128
LOG_KEY = 'log'


def page_text(zoo: Zoo, template: str) -> str:
    """The page: the template with each ``{{...}}`` filled in from the index.

    Raises:
        ConfigError: The template asks for something that the index does not say.
    """
    index = read_index(zoo)
    blocks: dict[str, Callable[..., str]] = {
        'datasets': lambda: ' '.join(
            f'{data["Name"][:1].upper()}{data["Name"][1:]}: {data["Faces"]} faces, {data.get("Description", "")}.'
            for data in index['Datasets']
        ),
        'figures': lambda *task: _figures(index, ' '.join(task)),
        'tests': lambda *task: '\n'.join(
            f'python tools/test.py {entry["Config"]} {checkpoint_of(entry)} --data {DATA} --out results/{entry["Name"]}'
            for entry in _shown(index, ' '.join(task))
        ),
        'compared': lambda: '\n'.join(
            dict.fromkeys(
                f'rainrestore compare results/{row["Model"]}/per_image.csv results/{row["Reference"]}/per_image.csv'
                for row in _some(index, 'Comparisons')
            )
        ),
        'comparisons': lambda *models: _comparisons(index, models),
        'carried': lambda: _carried(index, zoo),
        'models': lambda: _models(index),
        'entries': lambda: '\n\n'.join(_entry(entry) for entry in index['Models']),
        'training': lambda: '\n'.join(_commands(index)),
        'licences': lambda: '\n'.join(f'- {name}: {text}' for name, text in index.get('Licences', {}).items()),
        'faces': lambda name: f'{zoo_entry(name, zoo)["Metadata"]["Faces"]:,}',
        'figure': lambda name, dataset, key: f'{stated(zoo_entry(name, zoo), dataset)[key]:.{digits(key)}f}',
    }

    def filled(found: re.Match[str]) -> str:
        word, *arguments = found[1].split()
        try:
            return blocks[word](*arguments)
        except (KeyError, TypeError) as error:
            raise ConfigError(f'{TEMPLATE}: {found[0]} is nothing that {zoo.index} says ({error})') from error

    note = '<!-- Written by `rainrestore zoo page` from model-index.yml and docs/model_zoo.md.in: change those. -->\n'
    return note + re.sub(r'\{\{(.+?)\}\}', filled, template)


def write_page(zoo: Zoo | None = None) -> list[Path]:
    """Write the page and the curves that are not up to date; what was written.

    Raises:
        ConfigError: This is no checkout; or as :func:`page_text`.
    """
    zoo = zoo or Zoo.bundled()
    root = _root(zoo)
    written = []
    text = page_text(zoo, (root / TEMPLATE).read_text(encoding='utf-8'))
    for path in outdated(zoo):
        if path.name == PAGE:
            with whole_file(path) as temporary:
                temporary.write_text(text, encoding='utf-8')
        else:
            draw_curve(zoo.files / zoo_entry(path.stem, zoo)['Log'], path)
        written.append(path)
    return written


def outdated(zoo: Zoo | None = None) -> list[Path]:
    """Which of the page and the curves are not what the index and the logs say.

    Raises:
        ConfigError: As :func:`write_page`.
    """
    zoo = zoo or Zoo.bundled()
    root = _root(zoo)
    stale = []
    for entry in read_index(zoo)['Models']:
        if 'Log' in entry:
            curve = root / CURVES / f'{entry["Name"]}.png'
            if not curve.is_file() or drawn_from(curve) != sha256_of(zoo.files / entry['Log']):
                stale.append(curve)
    page = root / PAGE
    text = page_text(zoo, (root / TEMPLATE).read_text(encoding='utf-8'))
    if not page.is_file() or page.read_text(encoding='utf-8') != text:
        stale.append(page)
    return stale


def draw_curve(log: Path, path: Path) -> None:
    """A small picture of a training: its loss, and what its validations measured. It says of which log it is."""
    runs = read_log(log)
    logged = {key for _, curves in runs for key in curves}
    keys = ['loss', *[key for key in VALIDATED if key in logged][:1]]
    with tempfile.TemporaryDirectory() as folder, whole_file(path) as temporary:
        drawn = Image.open(plot_curves(runs, [key for key in keys if key in logged], Path(folder) / 'curve.png'))
        height = CURVE_WIDTH * drawn.height // drawn.width
        small = drawn.convert('RGB').resize((CURVE_WIDTH, height), Image.Resampling.LANCZOS).quantize(COLOURS)
        said = PngInfo()
        said.add_text(LOG_KEY, sha256_of(log))
        small.save(temporary, format='PNG', optimize=True, pnginfo=said)


def drawn_from(curve: Path) -> str | None:
    """The SHA-256 of the log that a curve shows."""
    with Image.open(curve) as picture:
        return getattr(picture, 'text', {}).get(LOG_KEY)


def _root(zoo: Zoo) -> Path:
    root = zoo.index.parent
    if not (root / TEMPLATE).is_file():
        raise ConfigError(f'the page is written in a checkout: there is no {root / TEMPLATE}')
    return root


def _some(index: Mapping[str, Any], section: str) -> list[Any]:
    if not index.get(section):
        raise ConfigError(f'{TEMPLATE} speaks of {section}, and the index has none: measure them, or change the text')
    return index[section]


def _shown(index: Mapping[str, Any], task: str) -> list[Entry]:
    """What does the task: the references, then the models.

    Raises:
        KeyError: No model does.
    """
    models = [entry for entry in index['Models'] if entry.get('Task') == task]
    if not models:
        raise KeyError(task)
    return [*(entry for entry in index.get('References', []) if entry.get('Task', FACES) == task), *models]


def _title(entry: Entry) -> str:
    return entry.get('Title', f'`rainrestore://{entry["Name"]}`')


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ['---'] * len(head), *rows]
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)


def _number(figures: Mapping[str, float], keys: Iterable[str]) -> str:
    return ' / '.join(f'{figures[key]:.{digits(key)}f}' if key in figures else '-' for key in keys)


def _figures(index: Mapping[str, Any], task: str) -> str:
    datasets = [data['Name'] for data in index['Datasets']]
    head = ['model', 'faces seen']
    for dataset in datasets:
        head += [f'{dataset} {COLUMNS[0][0]}', *(title for title, _ in COLUMNS[1:])]
    rows = []
    for entry in _shown(index, task):
        faces = entry.get('Metadata', {}).get('Faces')
        cells = [_number(stated(entry, dataset), keys) for dataset in datasets for _, keys in COLUMNS]
        rows.append([_title(entry), '-' if faces is None else f'{faces:,}', *cells])
    return _table(head, rows)


def _comparisons(index: Mapping[str, Any], models: Sequence[str]) -> str:
    """What the index compares with others of the named models.

    Raises:
        KeyError: Nothing is compared with one of them.
    """
    titles = {entry['Name']: _title(entry) for entry in (*index['Models'], *index.get('References', []))}
    compared = _some(index, 'Comparisons')
    if missing := sorted(set(models) - {row['Model'] for row in compared}):
        raise KeyError(f'no comparison of {missing[0]}')
    rows = []
    for row in compared:
        if row['Model'] not in models:
            continue
        cells = []
        for key in ('PSNR', 'SSIM'):
            if key in row:
                value, low, high = (f'{number:+.{digits(key)}f}' for number in row[key])
                cells.append(f'{value} ({low} to {high})')
            else:
                cells.append('-')
        rows.append([titles[row['Model']], titles[row['Reference']], row['Dataset'], *cells])
    return _table(['model', 'against', 'data', 'PSNR', 'SSIM'], rows)


def _carried(index: Mapping[str, Any], zoo: Zoo) -> str:
    groups: dict[str, list[Entry]] = {
        'A wheel carries': [],
        'A clone carries besides, and a wheel downloads': [],
        'Both download': [],
    }
    wheel, clone, download = groups.values()
    for entry in index['Models']:
        here = (zoo.files / entry['Weights']).is_file()
        (wheel if entry.get('In Wheel') else clone if here else download).append(entry)
    said = []
    for where, entries in groups.items():
        names = ', '.join(f'`{entry["Name"]}`' for entry in entries)
        size = sum(entry['Bytes'] for entry in entries) / 1e6
        said += [f'{where} {names} ({size:.1f} MB together).'] if entries else []
    return ' '.join(said if clone or download else [*said, 'So far that is all, and nothing is downloaded.'])


def _models(index: Mapping[str, Any]) -> str:
    rows = []
    for entry in index['Models']:
        metadata = entry['Metadata']
        rows.append(
            [
                _title(entry),
                entry.get('Task', '-'),
                f'{entry["Bytes"] / 1e6:.1f} MB',
                f'{metadata["Parameters"] / 1e6:.2f} M',
                f'{metadata["Faces"]:,}' + (f' ({metadata["Schedule"]})' if 'Schedule' in metadata else ''),
                '; '.join(_besides(entry, data['Name']) for data in index['Datasets'] if _besides(entry, data['Name'])),
            ]
        )
    return _table(['model', 'task', 'file', 'parameters', 'faces seen', 'on the test faces'], rows)


def _besides(entry: Entry, dataset: str) -> str:
    figures, task = stated(entry, dataset), entry.get('Task', '')
    # A module for its own task, a whole network for those of its modules.
    keys = [key for key in NAMES if key in figures and (task == FACES or key in HEADLINES.get(task, ()))]
    said = [NAMES[key].format(_number(figures, [key])) for key in keys]
    return f'{", ".join(said)} ({dataset})' if said else ''


def _entry(entry: Entry) -> str:
    name, metadata = entry['Name'], entry['Metadata']
    parts = ', '.join(f'{slot} of `{part}`' for slot, part in entry.get('Parts', {}).items())
    pretrained = ', '.join(f'`{other}`' for other in metadata.get('Pretrained', []))
    facts = {
        'config': f'`{entry["Config"]}`, trained by `{metadata.get("Training Config", entry["Config"])}`',
        'data': ', '.join(metadata[key] for key in ('Training Data', 'Rain') if key in metadata),
        'starts from': pretrained,
        'parts': parts,
        'hardware': f'{metadata.get("Hardware", "-")}; {metadata.get("Hours", "-")} hours',
        'seed': str(metadata.get('Seed', '-')),
        'licence': entry['Licence'],
        'file': f'`{entry["Weights"]}`, sha256 `{entry["SHA256"]}`',
    }
    lines = [f'### {name}', '', *(f'- {key}: {value}' for key, value in facts.items() if value)]
    if 'Audit' in entry:
        lines.append(f'- audit on {entry["Audit"]["Dataset"]}:')
        lines += [f'  - `{part}`: {verdict}' for part, verdict in entry['Audit']['Verdicts'].items()]
    if 'Log' in entry:
        lines += [f'- training log: `{entry["Log"]}` beside it', '', f'![Curves of its training]({CURVES}/{name}.png)']
    return '\n'.join(lines)


def _in_order(index: Mapping[str, Any]) -> list[Entry]:
    """Models and references, each after those that it starts from."""
    entries = [entry for entry in (*index['Models'], *index.get('References', [])) if 'Metadata' in entry]
    names = {entry['Name']: entry for entry in entries}
    done: dict[str, Entry] = {}

    def add(entry: Entry) -> None:
        for other in (*entry['Metadata'].get('Pretrained', []), *entry.get('Parts', {}).values()):
            if other in names and other not in done:
                add(names[other])
        done[entry['Name']] = entry

    for entry in entries:
        add(entry)
    return list(done.values())


def _commands(index: Mapping[str, Any]) -> list[str]:
    return list(
        dict.fromkeys(command for entry in _in_order(index) for command in entry['Metadata'].get('Commands', []))
    )
