"""The tabs for whole photos and for videos."""

import html
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from rainrestore.apis.photos import Background, RestoredFace
from rainrestore.errors import ConfigError
from rainrestore.faces import FaceCrop, cut
from rainrestore.web import parts, photo_views
from rainrestore.web.photo_views import PhotoDesk, PhotoView, shrunk
from rainrestore.web.views import Images

#: Longest side in pixels of a face in the report.
FACE_SHOWN = 256
#: The default of a handler that shows its progress.
PROGRESS = gr.Progress()
CLIP_EMPTY = parts.empty_html('the restored video')


def add_photo_tab(desk: PhotoDesk, examples: Images) -> None:
    """Add the components that detect, select and restore the faces of a photo.

    Args:
        desk: Computes the results.
        examples: Name -> example photo.
    """
    result = parts.Result('rr-photo', 'the photo and each face, before and after')
    with gr.Column(scale=5, min_width=300):
        picker_place = gr.Column()
        marked = gr.Image(
            label='Faces found', interactive=False, type='numpy', format='jpeg', buttons=['fullscreen'],
            alt_text='the photo with numbered faces', elem_id='rr-found', elem_classes='rr-shown',
        )  # fmt: skip
        chosen = gr.CheckboxGroup([], label='Faces to restore', visible=False, elem_id='rr-faces')
        crops = gr.State([])
        model, background = _model_and_background(desk, 'photo', {'automatic': 'auto'})
        strength = gr.Slider(
            photo_views.LEAST_STRENGTH, 1, 1, step=0.05, label='Strength', info='share of the correction', buttons=[],
            elem_id='rr-strength',
        )  # fmt: skip
        button = gr.Button('Restore the faces', variant='primary', interactive=False, elem_id='rr-photo')
        examples_place = gr.Column()
    files = gr.File(
        label='Downloads', file_count='multiple', interactive=False, visible=False, render=False, elem_id='rr-files'
    )
    result.render(files)

    found = [marked, chosen, crops, button]
    nothing = [None, gr.update(choices=[], value=[], visible=False), [], gr.update(interactive=False)]
    restored = [*result.components, files]
    no_files = gr.update(value=None, visible=False)

    @parts.guarded(nothing)
    def find(path: str | None, progress: gr.Progress = PROGRESS) -> Iterator[tuple[Any, ...]]:
        if not path:
            raise ConfigError('Drop a photo first, or choose the example.')
        # An unknown total: a spinner with this text and the time.
        progress((1, None), unit='photo to search for faces')
        photo, faces = desk.find(path)
        choices = [(f'{number}: {face.crop.side:.0f} pixels', number) for number, face in enumerate(faces)]
        boxes = gr.CheckboxGroup(choices=choices, value=list(range(len(faces))), visible=True)
        yield photo, boxes, [face.crop for face in faces], gr.Button(interactive=True)

    @parts.guarded([*result.empty.values(), no_files])
    def restore(
        path: str | None, crops: list[FaceCrop], chosen: list[int], model: str, background: Background, strength: float,
        progress: gr.Progress = PROGRESS,
    ) -> Iterator[tuple[Any, ...]]:  # fmt: skip
        if not path:
            raise ConfigError('Drop a photo first, or choose the example.')
        progress((1, None), unit='photo to restore')
        view = desk.restore(path, crops, chosen, model, background, strength)
        # Gradio copies the files before it resumes the generator.
        with tempfile.TemporaryDirectory() as folder:
            paths = [str(file) for file in view.write(Path(folder))]
            yield (view.given.pixels, view.after), photo_html(view), gr.File(paths, visible=True)

    empty = {**dict(zip(found, nothing, strict=True)), **result.empty, files: no_files}
    with picker_place:
        picker = parts.picker_of('A photo with faces', empty)
    searched = picker.upload(find, picker, found, api_name='find', show_progress_on=marked)
    inputs = [picker, crops, chosen, model, background, strength]
    clicked = parts.run_at_click(button, restore, inputs, restored, 'photo')
    with examples_place:
        parts.add_examples(examples, picker, find, [picker], found, empty, [searched, clicked])


def add_clip_tab(desk: PhotoDesk) -> Callable[[gr.Request], None]:
    """Add the components that restore a short video.

    Returns:
        A function that stops the video of a session.
    """
    with gr.Column(scale=5, min_width=300):
        picker_place = gr.Column()
        model, background = _model_and_background(desk, 'clip', {})
        with gr.Row():
            button = gr.Button('Restore the video', variant='primary', elem_id='rr-clip', scale=3)
            cancel = gr.Button('Cancel', elem_id='rr-clip-cancel', scale=1, min_width=90)
    with gr.Column(scale=7, min_width=300):
        video = gr.Video(label='Restored', interactive=False, height=430, elem_id='rr-video', elem_classes='rr-shown')
        file = gr.File(label='Download', interactive=False, visible=False, elem_id='rr-clip-result')
        report = gr.HTML(CLIP_EMPTY)
    outputs = [video, file, report]
    nothing = [None, gr.update(value=None, visible=False), CLIP_EMPTY]
    # Session -> set to stop its video.
    stops: dict[str | None, threading.Event] = {}

    @parts.guarded(nothing)
    def restore(
        path: str | None, model: str, background: Background, request: gr.Request, progress: gr.Progress = PROGRESS
    ) -> Iterator[tuple[Any, ...]]:
        if not path:
            raise ConfigError('Choose a video first.')
        stopped = stops[request.session_hash] = threading.Event()

        def on_frame(done: int, total: int) -> None:
            if stopped.is_set():
                raise ConfigError(f'{Path(path).name}: cancelled')
            progress((done, total or None), desc='frames', unit='frames')

        try:
            with tempfile.TemporaryDirectory() as folder:
                target, clip = desk.restore_clip(path, Path(folder), model, background, on_frame)
                notes = [f'{clip.frames} frames, {clip.faces} faces restored', *clip.notes]
                yield str(target), gr.File(str(target), visible=True), notes_html(notes)
        finally:
            if stops.get(request.session_hash) is stopped:
                del stops[request.session_hash]

    def stop(request: gr.Request) -> None:
        if stopped := stops.get(request.session_hash):
            stopped.set()

    empty = dict(zip(outputs, nothing, strict=True))
    with picker_place:
        limits = f'{photo_views.MAX_CLIP_SECONDS} s and {photo_views.MAX_CLIP_BYTES // 2**20} MB'
        picker = parts.picker_of(f'A video of at most {limits}', empty, 'rr-clip-file')
    clicked = parts.run_at_click(button, restore, [picker, model, background], outputs, 'clip')
    gr.on([cancel.click, picker.clear], stop, None, None, queue=False, api_name=False, cancels=[clicked])
    return stop


def photo_html(view: PhotoView) -> str:
    """The notes and, for each face, the images before and after and the collapsed maps, as HTML."""
    faces = ''.join(_face_html(number, face, view) for number, face in view.faces.items())
    return f'{notes_html(view.notes)}{faces}'


def notes_html(notes: Iterable[str]) -> str:
    """Notes as sentences, one per line."""
    lines = (html.escape(f'{note[:1].upper()}{note[1:]}.') for note in notes)
    return f'<div class="rr-notes">{"<br>".join(lines)}</div>'


def _face_html(number: int, face: RestoredFace, view: PhotoView) -> str:
    before, after = cut(view.given.pixels, face.crop), cut(view.after, face.crop)
    changed = 'not changed' if np.array_equal(before, after) else 'after'
    images = ''.join(
        f'<figure><img src="{parts.data_uri(shrunk(pixels, FACE_SHOWN))}" alt="face {number}, {title}">'
        f'<figcaption>{title}</figcaption></figure>'
        for title, pixels in (('before', before), (changed, after))
    )
    maps = parts.maps_html({'predicted': face.restoration.images()}, {}, titled=False)
    side = before.shape[0]
    return (
        f'<div class="rr-face"><div class="rr-row">Face {number}, {side}x{side} pixels of the photo</div>'
        f'<div class="rr-pair">{images}</div>'
        f'<details><summary>Predicted maps of face {number}</summary>{maps}</details></div>'
    )


def _model_and_background(desk: PhotoDesk, where: str, backgrounds: dict[str, str]) -> tuple[gr.Radio, gr.Radio]:
    """The inputs for the model and the background; ``backgrounds`` are offered first, and the first is the default."""
    models = desk.models()
    model = gr.Radio(
        [(f'{Path(name).stem}: {purpose}', name) for name, purpose in models.items()], value=next(iter(models)),
        label='Model', elem_id=f'rr-{where}-model', elem_classes='rr-models',
    )  # fmt: skip
    choices = {**backgrounds, 'keep': 'keep', 'remove rain': 'derain'}
    background = gr.Radio(
        list(choices.items()), value=next(iter(choices.values())), label='Background',
        elem_id=f'rr-{where}-background',
    )  # fmt: skip
    return model, background
