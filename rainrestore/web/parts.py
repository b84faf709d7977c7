"""Parts that several tabs of the page use: file picker, examples, maps, and error messages."""

import base64
import html
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, TypeAlias

import gradio as gr
import numpy as np

from rainrestore.errors import RainRestoreError
from rainrestore.image_io import encode_png
from rainrestore.visualization.sheets import TITLES
from rainrestore.web.photo_views import shrunk

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


@dataclass(frozen=True, eq=False)
class Result:
    """The components of a result, in the right column of a tab: created before and rendered after the controls.

    Attributes:
        slider: The image before and after.
        report: Notes, scores, faces and maps.
        empty: Both components -> their values without a result.
    """

    slider: gr.ImageSlider
    report: gr.HTML
    empty: Empty

    @property
    def components(self) -> list[Any]:
        return [self.slider, self.report]

    def render(self, *downloads: gr.File) -> None:
        with gr.Column(scale=7, min_width=300):
            for component in (self.slider, *downloads, self.report):
                component.render()


def result_of(name: str, content: str) -> Result:
    """The result of a tab.

    Args:
        name: Beginning of the ids in the page.
        content: What the result will contain, for the empty report.
    """
    slider = gr.ImageSlider(
        label='before | after', type='numpy', format='png', interactive=False, buttons=['fullscreen'],
        max_height=430, render=False, elem_id=f'{name}-slider', elem_classes='rr-shown',
    )  # fmt: skip
    nothing = empty_html(content)
    report = gr.HTML(nothing, render=False, elem_id=f'{name}-report', elem_classes='rr-report')
    return Result(slider, report, {slider: None, report: nothing})


def empty_html(content: str) -> str:
    """The report without a result."""
    return f'<div class="rr-empty">The result appears here: {content}.</div>'


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


def show_run(button: gr.Button, run: Any, output: Any) -> None:
    """Let a button scroll to the output of its event.

    Args:
        button: The button.
        run: Its event.
        output: The first output, which is below the controls on a phone.
    """
    scroll = f"""() => document.getElementById('{output.elem_id}')
        .scrollIntoView({{block: matchMedia('(max-width: 700px)').matches ? 'start' : 'nearest'}})"""
    button.click(js=scroll)
    run.success(js=scroll)


def guarded(nothing: Sequence[Any]) -> Callable[[Callable[..., Iterator[Any]]], Callable[..., Iterator[Any]]]:
    """Decorator of an event handler: an error clears its outputs, and is shown as a message.

    Args:
        nothing: Values of the outputs without a result.
    """

    def decorate(handler: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
        @wraps(handler)
        def event(*values: Any, **more: Any) -> Iterator[Any]:
            try:
                with messages():
                    yield from handler(*values, **more)
            except gr.Error:
                yield tuple(nothing)
                raise

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
    images: dict[str, np.ndarray],
    picker: gr.File,
    event: Callable[..., Any],
    inputs: list[Any],
    outputs: list[Any],
    empty: Empty,
    shown_on: Any,
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
        shown_on: The component that shows the progress of ``event``.
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
    again = chosen.then(event, inputs, outputs, api_name=False, show_progress_on=shown_on)
    gr.on([picker.clear, examples.click], None, cancels=[*running, again])
