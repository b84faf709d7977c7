"""The tabs for whole photos and for videos."""

import html
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import gradio as gr
import numpy as np

from rainrestore.apis.photos import Background
from rainrestore.errors import ConfigError
from rainrestore.faces import FaceCrop
from rainrestore.web.parts import COLUMNS, add_examples, data_uri, empty_result, map_cells, messages, picker_of
from rainrestore.web.photo_views import MAX_CLIP_BYTES, MAX_CLIP_SECONDS, FaceView, PhotoDesk, PhotoView
from rainrestore.web.views import Images

#: Longest side in pixels of the photo with its faces drawn, and of a face in the report.
SHOWN, FACE_SHOWN = 1200, 256


def add_photo_tab(desk: PhotoDesk, result: list[Any], examples: Images) -> None:
    """Add the components that detect, select and restore the faces of a photo.

    Args:
        desk: Computes the results.
        result: Output components: slider and report.
        examples: Name -> example photo.
    """

    def find(path: str | None) -> tuple[np.ndarray | None, Any, list[FaceCrop]]:
        if not path:
            return None, gr.CheckboxGroup(choices=[], value=[]), []
        with messages():
            marked, faces = desk.find(path)
        choices = [(f'{number}: {face.crop.side:.0f} pixels', number) for number, face in enumerate(faces)]
        chosen = gr.CheckboxGroup(choices=choices, value=list(range(len(faces))))
        return _small(marked, SHOWN), chosen, [face.crop for face in faces]

    def restore(
        path: str | None, crops: list[FaceCrop], chosen: list[int], model: str, background: Background, strength: float
    ) -> Iterator[tuple[Any, str, list[str] | None]]:
        with messages():
            if not path:
                raise ConfigError('Drop a photo first, or choose the example.')
            view = desk.restore(path, crops, chosen, model, background, strength)
        # Gradio copies the files before it resumes the generator.
        with tempfile.TemporaryDirectory() as folder:
            files = [str(file) for file in view.write(Path(folder))]
            yield (view.before, view.after), photo_html(view), files

    # Created before the picker, which clears it, and rendered below the button.
    files = gr.File(
        label='Downloads', file_count='multiple', interactive=False, height=130, render=False, elem_id='rr-files'
    )
    empty = {**empty_result(*result), files: None}
    picker = picker_of('A photo with faces', empty)
    marked = gr.Image(
        label='Faces found', interactive=False, type='numpy', format='jpeg', buttons=['fullscreen'], height=250,
        elem_id='rr-found',
    )  # fmt: skip
    chosen = gr.CheckboxGroup([], label='Faces to restore', type='value', elem_id='rr-faces')
    crops = gr.State([])
    model, background = _model_and_background(desk, 'photo')
    strength = gr.Slider(0, 1, 1, step=0.05, label='Strength', info='share of the correction', buttons=[])
    button = gr.Button('Restore the faces', variant='primary', elem_id='rr-photo')
    found = [marked, chosen, crops]
    for event in (picker.upload, picker.clear):
        event(find, picker, found, api_name='find' if event is picker.upload else False)
    files.render()
    inputs = [picker, crops, chosen, model, background, strength]
    button.click(restore, inputs, [*result, files], api_name='photo')
    add_examples(examples, picker, find, [picker], found, empty)


def add_clip_tab(desk: PhotoDesk) -> None:
    """Add the components that restore a short video."""

    def restore(
        path: str | None,
        model: str,
        background: Background,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Iterator[tuple[str | None, str | None, str]]:
        with messages(), tempfile.TemporaryDirectory() as folder:
            if not path:
                raise ConfigError('Choose a video first.')

            def on_frame(done: int, total: int) -> None:
                progress((done, total or None), desc='frames', unit='frames')

            target, clip = desk.restore_clip(path, Path(folder), model, background, on_frame)
            notes = [f'{clip.frames} frames, {clip.faces} faces restored.', *clip.notes]
            yield str(target), str(target), f'<div class="rr-notes">{"<br>".join(map(html.escape, notes))}</div>'

    clip = gr.File(
        label=f'A video of at most {MAX_CLIP_SECONDS} s and {MAX_CLIP_BYTES // 2**20} MB', type='filepath',
        elem_id='rr-clip-file',
    )  # fmt: skip
    model, background = _model_and_background(desk, 'clip')
    button = gr.Button('Restore the video', variant='primary', elem_id='rr-clip')
    video = gr.Video(label='Restored', interactive=False, height=300, elem_id='rr-video')
    file = gr.File(label='Download', interactive=False, height=100, elem_id='rr-clip-result')
    report = gr.HTML()
    button.click(restore, [clip, model, background], [video, file, report], api_name='clip')


def photo_html(view: PhotoView) -> str:
    """The notes and, for each face, the images before and after and the collapsed maps, as HTML."""
    notes = ' '.join(html.escape(f'{note}.') for note in view.notes)
    return f'<div class="rr-notes">{notes}</div>{"".join(map(_face_html, view.faces))}'


def _face_html(face: FaceView) -> str:
    images = ''.join(
        f'<figure><img src="{data_uri(_small(pixels, FACE_SHOWN))}" alt="face {face.number}, {title}">'
        f'<figcaption>{title}</figcaption></figure>'
        for title, pixels in (('before', face.before), ('after', face.after))
    )
    columns = [column for column in COLUMNS if any(title in face.maps for title in column[2])]
    cells = map_cells('predicted', face.maps, columns, {})
    maps = f'<div class="rr-maps" style="--columns: {len(columns)}">{cells}</div>'
    side = face.before.shape[0]
    return (
        f'<div class="rr-face"><div class="rr-row">Face {face.number}, {side}x{side} pixels of the photo</div>'
        f'<div class="rr-pair">{images}</div><details><summary>Predicted maps</summary>{maps}</details></div>'
    )


def _model_and_background(desk: PhotoDesk, where: str) -> tuple[gr.Dropdown, gr.Radio]:
    models = desk.models()
    model = gr.Dropdown(
        [(f'{Path(name).stem}: {purpose}', name) for name, purpose in models.items()], value=next(iter(models)),
        label='Model', elem_id=f'rr-{where}-model',
    )  # fmt: skip
    background = gr.Radio(
        [('keep', 'keep'), ('remove rain', 'derain')], value='keep', label='Background',
        elem_id=f'rr-{where}-background',
    )  # fmt: skip
    return model, background


def _small(pixels: np.ndarray, longest: int) -> np.ndarray:
    """Shrink an image whose longer side exceeds ``longest`` pixels to this side."""
    ratio = longest / max(pixels.shape[:2])
    if ratio >= 1:
        return pixels
    return cv2.resize(pixels, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA)
