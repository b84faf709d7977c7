"""Parts that several tabs of the page use: file picker, examples, maps, and error messages."""

import base64
import html
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, TypeAlias

import gradio as gr
import numpy as np

from rainrestore.errors import RainRestoreError
from rainrestore.image_io import encode_png
from rainrestore.visualization.sheets import TITLES
from rainrestore.web.photo_views import shrunk
from rainrestore.web.views import Images

#: Symbol of a map in eq. 2 -> its meaning, in the order of the columns.
MEANINGS = {'H': 'face', 'J': 'small face', 'S': 'streaks', 'T': 'transmission', 'A': 'airlight', 'F': 'parsing'}
#: Title of a map -> its symbol; the restored and the true face have the same.
SYMBOLS = {title: symbol.rstrip('^') for symbol, title in TITLES.items()}

#: Output component -> its value without a result.
Empty: TypeAlias = dict[Any, Any]


class Result:
    """The components of a result, in the right column of a tab: created before and rendered after the controls.

    Args:
        name: Beginning of the ids in the page.
        content: What the result will contain, for the empty report.

    Attributes:
        components: The image before and after, and the report: notes, scores, faces and maps.
        empty: Both components -> their values without a result.
    """

    def __init__(self, name: str, content: str) -> None:
        slider = gr.ImageSlider(
            label='before | after', type='numpy', format='png', interactive=False, buttons=['fullscreen'],
            max_height=430, render=False, elem_id=f'{name}-slider', elem_classes='rr-shown',
        )  # fmt: skip
        nothing = empty_html(content)
        report = gr.HTML(nothing, render=False, elem_id=f'{name}-report', elem_classes='rr-report')
        self.components: list[Any] = [slider, report]
        self.empty: Empty = {slider: None, report: nothing}

    def render(self, *downloads: gr.File) -> None:
        slider, report = self.components
        with gr.Column(scale=7, min_width=300):
            for component in (slider, *downloads, report):
                component.render()


def empty_html(content: str) -> str:
    """The report without a result."""
    return f'<div class="rr-empty">The result appears here: {content}.</div>'


def maps_html(rows: Mapping[str, Images], means: Mapping[str, Mapping[str, float]], titled: bool = True) -> str:
    """The maps of a result as a grid, without empty columns.

    Args:
        rows: Title of a row -> title of a map -> uint8 RGB.
        means: Title of a row -> symbol of a map -> its mean, shown below the map.
        titled: Whether to show the titles of the rows.
    """
    found = {name: {SYMBOLS[title]: image for title, image in row.items()} for name, row in rows.items()}
    columns = [symbol for symbol in MEANINGS if any(symbol in row for row in found.values())]
    cells = []
    for name, row in found.items():
        if titled:
            cells.append(f'<div class="rr-row">{name}</div>')
        for symbol in columns:
            if symbol not in row:
                cells.append('<div></div>')
                continue
            mean = f'<br>{means[name][symbol]:.2f}' if symbol in means.get(name, ()) else ''
            cells.append(
                f'<figure><img src="{data_uri(row[symbol])}" alt="{MEANINGS[symbol]}, {name}">'
                f'<figcaption><b>{symbol}</b> {MEANINGS[symbol]}{mean}</figcaption></figure>'
            )
    return f'<div class="rr-maps" style="--columns: {len(columns)}">{"".join(cells)}</div>' if columns else ''


def data_uri(image: np.ndarray) -> str:
    return f'data:image/png;base64,{base64.b64encode(encode_png(image)).decode()}'


def run_at_click(button: gr.Button, handler: Callable[..., Any], inputs: Any, outputs: list[Any], api_name: str) -> Any:
    """Run an event handler at a click on a button, and scroll to its first output; return the event.

    On a phone, the outputs are below the controls.
    """
    run = button.click(handler, inputs, outputs, api_name=api_name, show_progress_on=outputs[0])
    scroll = f"""() => document.getElementById('{outputs[0].elem_id}')
        .scrollIntoView({{block: matchMedia('(max-width: 700px)').matches ? 'start' : 'nearest'}})"""
    button.click(js=scroll)
    run.success(js=scroll)
    return run


def guarded(nothing: Sequence[Any]) -> Callable[[Callable[..., Iterator[Any]]], Callable[..., Iterator[Any]]]:
    """Decorator of an event handler: a :class:`~rainrestore.errors.RainRestoreError` is shown as a message.

    Args:
        nothing: Values of the outputs without a result, set by an error.
    """

    def decorate(handler: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
        @wraps(handler)
        def event(*values: Any, **more: Any) -> Iterator[Any]:
            try:
                yield from handler(*values, **more)
            except RainRestoreError as error:
                yield tuple(nothing)
                # The page inserts the message as HTML, and a file name in it may contain tags.
                message = html.escape(str(error), quote=False)
                raise gr.Error(message, duration=None, print_exception=False) from error

        return event

    return decorate


def picker_of(label: str, empty: Empty, elem_id: str | None = None) -> gr.File:
    """A file picker. Its value is the path of the uploaded file.

    ``gr.Image`` would decode the file itself, with all formats of Pillow and its own error messages.

    Args:
        label: The label of the picker.
        empty: Output component -> its value without a result, set by an upload and by the button that removes the file.
        elem_id: The id in the page.
    """
    picker = gr.File(label=label, height=140, elem_id=elem_id, elem_classes='rr-picker')
    # Without a spinner on the outputs: the event that follows an upload shows its own.
    gr.on(
        [picker.upload, picker.clear], lambda: empty, None, list(empty), queue=False, api_name=False,
        show_progress='hidden',
    )  # fmt: skip
    return picker


def add_examples(
    images: Images,
    picker: gr.File,
    event: Callable[..., Any],
    inputs: list[Any],
    outputs: list[Any],
    empty: Empty,
    running: list[Any],
) -> None:
    """Add example images. A click puts an example into the picker, clears the previous result and runs ``event``.

    A click, and the button that removes the file, also drop the running events: a later result would be that of the
    earlier file.

    Args:
        images: Name -> H x W x 3 uint8 RGB; nothing is added if there are none (a wheel has no portraits).
        picker: The file picker.
        event: The event handler to run.
        inputs: Its input components.
        outputs: Its output components.
        empty: As in :func:`picker_of`; set by a click on an example.
        running: The other events of the tab.
    """
    if not images:
        picker.clear(None, cancels=running)
        return
    # Gradio serves only files of its temporary folder.
    folder = Path(tempfile.mkdtemp(prefix='examples-', dir=gr.utils.get_upload_folder()))
    paths = [folder / f'{name}.png' for name in images]
    for path, image in zip(paths, images.values(), strict=True):
        path.write_bytes(encode_png(image))
    # HTML, because gr.Image has no text for screen readers here.
    shown = [f'<img src="{data_uri(shrunk(image, 160))}" alt="example {name}">' for name, image in images.items()]
    examples = gr.Dataset(
        label='Examples: portraits of members of the US Congress (public domain)', components=[gr.HTML(render=False)],
        samples=[[image] for image in shown], type='index', layout='gallery', elem_classes='rr-examples',
    )  # fmt: skip
    chosen = examples.click(
        lambda index: {picker: str(paths[index]), **empty}, examples, [picker, *empty], queue=False, api_name=False,
        show_progress='hidden',
    )  # fmt: skip
    again = chosen.then(event, inputs, outputs, api_name=False, show_progress_on=outputs[0])
    gr.on([picker.clear, examples.click], None, cancels=[*running, again])
