"""What the tabs of the page share: where a picture is dropped, examples, maps, and errors as messages."""

import base64
import html
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from rainrestore.errors import RainRestoreError
from rainrestore.image_io import encode_png
from rainrestore.web.views import MAX_UPLOAD_BYTES, MAX_UPLOAD_PIXELS

EMPTY = """<div class="rr-empty">The result appears here: the picture before and after, what the network reads from the
rain, and scores where the clean face is known.</div>"""

#: Columns of the maps: the letter of eq. 2, what it is, and what a row calls it.
COLUMNS = (
    ('H', 'face', ('restored', 'truth')),
    ('J', 'small face', ('de-rained J',)),
    ('S', 'streaks', ('rain S',)),
    ('T', 'transmission', ('transmission T',)),
    ('A', 'airlight', ('airlight A',)),
    ('F', 'parsing', ('parsing F',)),
)


@contextmanager
def messages() -> Iterator[None]:
    """A user's error becomes a message of the page."""
    try:
        yield
    except RainRestoreError as error:
        # The message goes into the page as HTML, and names a file that somebody else may have named.
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
        picture = next((row[title] for title in titles if title in row), None)
        if picture is None:
            cells.append('<div></div>')
            continue
        mean = f'<br>{means[letter]:.2f}' if letter in means else ''
        cells.append(
            f'<figure><img src="{data_uri(picture)}" alt="{meaning}, {row_title}">'
            f'<figcaption><b>{letter}</b> {meaning}{mean}</figcaption></figure>'
        )
    return ''.join(cells)


def data_uri(picture: np.ndarray) -> str:
    return f'data:image/png;base64,{base64.b64encode(encode_png(picture)).decode()}'


def picker_of(label: str, result: list[Any]) -> gr.Image:
    """Where a picture is dropped; gives its file, unopened. Another picture takes the result of the last one away."""
    megabytes, megapixels = MAX_UPLOAD_BYTES // 2**20, MAX_UPLOAD_PIXELS // 10**6
    picker = gr.Image(
        label=label, type='filepath', sources=['upload', 'clipboard'], height=250, buttons=[], elem_classes='rr-picker',
        placeholder=f'Drop a picture here, or click\nup to {megabytes} MB and {megapixels} million pixels',
    )  # fmt: skip
    gr.on([picker.upload, picker.clear], lambda: (None, EMPTY), None, result, queue=False, api_name=False)

    uploads_only(picker)
    # The component would open the file by itself, with all that Pillow decodes and errors of its own. Not a subclass:
    # Gradio writes a file of types beside the source of each, into this package. And no event may answer with
    # gr.update(...) for it, as that builds the component anew; values are fine.
    picker.preprocess = lambda payload: payload and payload.path
    return picker


def uploads_only(component: Any) -> None:
    """Let a component take uploaded files alone: Gradio would fetch an address that a program gives in place of one.

    Gradio has no public way to forbid that.
    """
    move = component.async_move_resource_to_block_cache

    async def keep(file: str | Path | None) -> str | None:
        if str(file).lower().startswith(('http:', 'https:')):
            raise gr.Error('Upload the file itself: nothing is fetched from an address.', print_exception=False)
        return await move(file)

    component.async_move_resource_to_block_cache = keep


def add_examples(
    pictures: dict[str, np.ndarray],
    picker: gr.Image,
    event: Callable[..., Any],
    inputs: list[Any],
    result: list[Any],
) -> None:
    """Pictures that are put into the picker by a click, and go on from there by ``event``; by their names."""
    if not pictures:  # a wheel comes without the portraits
        return
    # Among the page's temporary files: from nowhere else may a browser be sent any.
    folder = Path(tempfile.mkdtemp(prefix='examples-', dir=gr.utils.get_upload_folder()))
    paths = [folder / f'{name}.png' for name in pictures]
    for path, picture in zip(paths, pictures.values(), strict=True):
        path.write_bytes(encode_png(picture))
    examples = gr.Dataset(
        label='Examples: portraits of members of the US Congress (public domain)', components=[gr.Image(render=False)],
        samples=[[str(path)] for path in paths], type='index', layout='gallery',
    )  # fmt: skip
    chosen = examples.click(lambda index: str(paths[index]), examples, picker, queue=False, api_name=False)
    chosen.then(event, inputs, result, api_name=False)
