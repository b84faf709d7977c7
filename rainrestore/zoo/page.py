"""Write ``model_zoo.md`` and its curves from the index and a template."""

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError, Undefined
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from rainrestore.errors import ConfigError
from rainrestore.files import sha256_of, whole_file, write_text
from rainrestore.visualization.curves import plot_curves
from rainrestore.zoo.index import Entry, Zoo, read_index, zoo_entry
from rainrestore.zoo.measurements import HEADLINES, checkpoint_of, digits, find_entry, stated
from rainrestore.zoo.training_log import read_log

PAGE, TEMPLATE, TABLES = 'model_zoo.md', 'docs/model_zoo.md.in', 'model_zoo_tables.jinja'
CURVES = 'docs/images/zoo'
#: Folder of the faces that are not bundled, in the commands on the page.
DATA = 'data/celebamask128'
FACES = 'Face restoration'
#: The curve in addition to the loss: the first of these metrics in the log of the run.
VALIDATED = tuple(keys[0] for keys in HEADLINES.values())
#: Metrics in the table of models -> their format.
NAMES = {'PSNR_lr_img': 'PSNR of J {} dB', 'mIoU': 'mIoU {}'}
CURVE_WIDTH, COLOURS = 560, 128
LOG_KEY = 'log'
NOTE = '<!-- Written by `rainrestore zoo page` from model-index.yml and docs/model_zoo.md.in: change those. -->\n'


def page_text(zoo: Zoo, template: str) -> str:
    """The text of the page: a Jinja template, filled from the index with the tables of :data:`TABLES`.

    Raises:
        ConfigError: The template uses something that is not in the index.
    """
    index = read_index(zoo)
    environment = Environment(
        loader=FileSystemLoader(_root(zoo) / 'docs'), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True, autoescape=False,
    )  # fmt: skip
    environment.tests['is_here'] = lambda entry: (zoo.files / entry['Weights']).is_file()
    # Entries may lack a key in the tables; in the text a missing key is an error.
    tables = environment.overlay(undefined=Undefined).get_template(TABLES).make_module({
        'index': index,
        'data_folder': DATA,
        'curves': CURVES,
        'shown': partial(_shown, index),
        'title': lambda entry: entry.get('Title', f'`rainrestore://{entry["Name"]}`'),
        'stated': stated,
        'numbers': _numbers,
        'checkpoint_of': checkpoint_of,
        'compare_commands': partial(_compare_commands, index),
        'comparison_rows': partial(_comparison_rows, index),
        'find_entry': lambda name: find_entry(name, index),
        'signed': lambda key, value: f'{value:+.{digits(key)}f}',
        'megabytes': lambda size: f'{size / 1e6:.1f} MB',
        'besides': partial(_besides, index),
    })  # fmt: skip
    try:
        return NOTE + environment.from_string(template).render(
            {name: _stripped(macro) for name, macro in vars(tables).items() if not name.startswith('_')},
            training=lambda: '\n'.join(_commands(index)),
            faces=lambda name: f'{zoo_entry(name, zoo)["Metadata"]["Faces"]:,}',
            measured=lambda name, dataset, key: _numbers({key: stated(zoo_entry(name, zoo), dataset)[key]}, [key]),
        )
    except (TemplateError, KeyError, TypeError) as error:
        raise ConfigError(f'{TEMPLATE} uses something that is not in {zoo.index}: {error!r}') from error


def write_page(zoo: Zoo | None = None) -> list[Path]:
    """Write the page and the curves that are out of date; returns their paths.

    Raises:
        ConfigError: The zoo is not in a clone; see also :func:`page_text`.
    """
    zoo = zoo or Zoo.bundled()
    root = _root(zoo)
    stale = outdated(zoo)
    for path in stale:
        if path.name == PAGE:
            write_text(path, page_text(zoo, (root / TEMPLATE).read_text(encoding='utf-8')))
        else:
            draw_curve(zoo.files / zoo_entry(path.stem, zoo)['Log'], path)
    return stale


def outdated(zoo: Zoo | None = None) -> list[Path]:
    """The page and the curves that are out of date with the index and the logs.

    Raises:
        ConfigError: See :func:`write_page`.
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
    """Draw a small figure of the loss and validation scores of a training; its metadata has the hash of the log."""
    runs = read_log(log)
    logged = {key for _, curves in runs for key in curves}
    keys = ['loss', *[key for key in VALIDATED if key in logged][:1]]
    with tempfile.TemporaryDirectory() as folder, whole_file(path) as temporary:
        drawn = Image.open(plot_curves(runs, [key for key in keys if key in logged], Path(folder) / 'curve.png'))
        height = CURVE_WIDTH * drawn.height // drawn.width
        small = drawn.convert('RGB').resize((CURVE_WIDTH, height), Image.Resampling.LANCZOS).quantize(COLOURS)
        info = PngInfo()
        info.add_text(LOG_KEY, sha256_of(log))
        small.save(temporary, format='PNG', optimize=True, pnginfo=info)


def drawn_from(curve: Path) -> str | None:
    """The SHA-256 of the log of a curve, from its metadata."""
    with Image.open(curve) as image:
        return getattr(image, 'text', {}).get(LOG_KEY)


def _root(zoo: Zoo) -> Path:
    root = zoo.index.parent
    if not (root / TEMPLATE).is_file():
        raise ConfigError(f'the page can only be written in a clone of rainrestore: there is no {root / TEMPLATE}')
    return root


def _stripped(macro: Any) -> Callable[..., str]:
    return lambda *arguments: macro(*arguments).strip()


def _shown(index: Mapping[str, Any], task: str) -> list[Entry]:
    """The references and models of a task.

    Raises:
        KeyError: No model has this task.
    """
    models = [entry for entry in index['Models'] if entry.get('Task') == task]
    if not models:
        raise KeyError(task)
    return [*(entry for entry in index.get('References', []) if entry.get('Task', FACES) == task), *models]


def _numbers(measurements: Mapping[str, float], keys: Iterable[str]) -> str:
    return ' / '.join(f'{measurements[key]:.{digits(key)}f}' if key in measurements else '-' for key in keys)


def _compare_commands(index: Mapping[str, Any]) -> Iterable[str]:
    return dict.fromkeys(
        f'rainrestore compare results/{row["Model"]}/per_image.csv results/{row["Reference"]}/per_image.csv'
        for row in index['Comparisons']
    )


def _comparison_rows(index: Mapping[str, Any], models: Sequence[str]) -> list[Any]:
    """The comparisons of the named models.

    Raises:
        KeyError: A model has no comparison in the index.
    """
    if missing := sorted(set(models) - {row['Model'] for row in index['Comparisons']}):
        raise KeyError(f'no comparison of {missing[0]}')
    return [row for row in index['Comparisons'] if row['Model'] in models]


def _besides(index: Mapping[str, Any], entry: Entry) -> str:
    """The metrics of a module for its task; for a complete network the metrics of all its modules."""
    task, found = entry.get('Task', ''), []
    for data in index['Datasets']:
        measurements = stated(entry, data['Name'])
        keys = [key for key in NAMES if key in measurements and (task == FACES or key in HEADLINES.get(task, ()))]
        if keys:
            values = ', '.join(NAMES[key].format(_numbers(measurements, [key])) for key in keys)
            found.append(f'{values} ({data["Name"]})')
    return '; '.join(found)


def _in_order(index: Mapping[str, Any]) -> list[Entry]:
    """Models and references, each after its pre-trained models and its parts."""
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


def _commands(index: Mapping[str, Any]) -> Iterable[str]:
    return dict.fromkeys(line for entry in _in_order(index) for line in entry['Metadata'].get('Commands', []))
