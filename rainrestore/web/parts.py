"""Parts that several tabs of the page use: file picker, examples, maps, and error messages."""

import base64
import html
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import gradio as gr
import numpy as np

from rainrestore.errors import RainRestoreError
from rainrestore.image_io import encode_png
from rainrestore.visualization.sheets import TITLES

EMPTY = """<div class="rr-empty">The result appears here: the image before and after, the predicted maps, and scores if
the clean face is known.</div>"""

#: Columns of the maps: the symbol of eq. 2, its meaning, and its titles in a row.
COLUMNS = (
    ('H', 'face', (TITLES['H^'], TITLES['H'])),
    ('J', 'small face', (TITLES['J'],)),
    ('S', 'streaks', (TITLES['S'],)),
    ('T', 'transmission', (TITLES['T'],)),
    ('A', 'airlight', (TITLES['A'],)),
    ('F', 'parsing', (TITLES['F'],)),
)

#: Output component -> its value without a result.
Empty: TypeAlias = dict[Any, Any]


@contextmanager
def messages() -> Iterator[None]:
    """Show a :class:`~rainrestore.errors.RainRestoreError` as a message on the page."""
    try:
        yield
    except RainRestoreError as error:
        # The page inserts the message as HTML, and a file name in it may contain tags.
        message = html.escape(str(error), quote=False)
        raise gr.Error(message, duration=None, print_exception=False) from error


def map_cells(
    row_title: str,
    row: Mapping[str, np.ndarray],
    columns: Iterable[tuple[str, str, tuple[str, ...]]],
    means: Mapping[str, float],
) -> str:
    cells = []
    for letter, meaning, titles in columns:
        image = next((row[title] for title in titles if title in row), None)
        if image is None:
            cells.append('<div></div>')
            continue
        mean = f'<br>{means[letter]:.2f}' if letter in means else ''
        cells.append(
            f'<figure><img src="{data_uri(image)}" alt="{meaning}, {row_title}">'
            f'<figcaption><b>{letter}</b> {meaning}{mean}</figcaption></figure>'
        )
    return ''.join(cells)


def data_uri(image: np.ndarray) -> str:
    return f'data:image/png;base64,{base64.b64encode(encode_png(image)).decode()}'


def empty_result(slider: gr.ImageSlider, report: gr.HTML) -> Empty:
    """The components of the result -> their values without a result."""
    return {slider: None, report: EMPTY}


def picker_of(label: str, empty: Empty) -> gr.File:
    """A file picker. Its value is the path of the uploaded file.

    ``gr.Image`` would decode the file itself, with all formats of Pillow and its own error messages.

    Args:
        label: The label of the picker.
        empty: Output component -> its value without a result, set by an upload and by the button that removes the file.
    """
    picker = gr.File(label=label, height=140, elem_classes='rr-picker')
    gr.on([picker.upload, picker.clear], lambda: empty, None, list(empty), queue=False, api_name=False)
    return picker


def add_examples(
    images: dict[str, np.ndarray],
    picker: gr.File,
    event: Callable[..., Any],
    inputs: list[Any],
    result: list[Any],
    empty: Empty,
) -> None:
    """Add example images. A click puts an example into the picker, clears the previous result and runs ``event``.

    Args:
        images: Name -> H x W x 3 uint8 RGB; nothing is added if there are none (a wheel has no portraits).
        picker: The file picker.
        event: The event handler to run.
        inputs: Its input components.
        result: Its output components.
        empty: As in :func:`picker_of`; set by a click on an example.
    """
    if not images:
        return
    # Gradio serves only files of its temporary folder.
    folder = Path(tempfile.mkdtemp(prefix='examples-', dir=gr.utils.get_upload_folder()))
    paths = [folder / f'{name}.png' for name in images]
    for path, image in zip(paths, images.values(), strict=True):
        path.write_bytes(encode_png(image))
    examples = gr.Dataset(
        label='Examples: portraits of members of the US Congress (public domain)', components=[gr.Image(render=False)],
        samples=[[str(path)] for path in paths], type='index', layout='gallery',
    )  # fmt: skip
    chosen = examples.click(
        lambda index: {picker: str(paths[index]), **empty}, examples, [picker, *empty], queue=False, api_name=False
    )
    chosen.then(event, inputs, result, api_name=False)
