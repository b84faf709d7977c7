"""The page of ``rainrestore web``, made with Gradio (extra ``web``).

To add a feature, add a tab and a function that returns a :class:`View`; see ``_restore_tab``.
"""

import html
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr
import numpy as np

from rainrestore.benchmark.scenes import make_scene
from rainrestore.datasets.face_dataset import BUNDLED_DATA
from rainrestore.datasets.transforms.rain import ScaleAwareHeavyRain
from rainrestore.errors import ConfigError
from rainrestore.image_io import read_image
from rainrestore.labels import PALETTE, label_names
from rainrestore.physics import RAIN_RANGES, draw_scene, quantise, seeded_rng
from rainrestore.web import parts
from rainrestore.web.photo_tabs import add_clip_tab, add_photo_tab
from rainrestore.web.photo_views import PhotoDesk
from rainrestore.web.views import CONVENTION, MAX_SEED, SLIDERS, Images, Studio, View, drawn_settings, middle_of

#: Examples: public-domain portraits of the bundled test set.
EXAMPLES = ('test_0002', 'test_0007', 'test_0011', 'test_0014', 'test_0031')

#: Maximum number of queued requests; further ones are refused. Requests are processed one by one.
MAX_WAITING = 16

#: Seconds after which uploads and results are deleted.
KEPT = 3600

#: Rows of visible sliders; the others are in a closed accordion. The seed is in the row of the layers.
MAIN_SLIDERS: tuple[tuple[str, ...], ...] = (('beta', 'airlight'), ('length', 'angle'), ('layers',))
OTHER_SLIDERS: tuple[tuple[str, ...], ...] = (
    ('noise_mean', 'noise_variance'),
    ('gain_base', 'gain_per_length', 'gain_jitter'),
)

# System fonts only, so that the page downloads nothing.
FONTS = ('system-ui', '-apple-system', 'Segoe UI', 'Roboto', 'DejaVu Sans', 'sans-serif')
THEME = gr.themes.Soft(
    primary_hue='sky', secondary_hue='sky', neutral_hue='slate', font=FONTS, font_mono=('ui-monospace', 'monospace')
)
CSS = """
.gradio-container { max-width: 1240px !important; width: 100%; margin: 0 auto; }
.rr-head h1 { font-size: 1.7rem; font-weight: 650; margin: .2rem 0 .1rem; }
.rr-head p, .rr-head sub { color: var(--body-text-color-subdued); margin: 0; max-width: 62rem; }
/* In a column, because the purposes of the models are sentences. */
.rr-models .wrap { flex-direction: column; align-items: stretch; }
/* Above the image, not on it. */
.rr-shown label.float, .rr-shown .float { position: static; }
/* Gradio hides the focus of check boxes, radio buttons and sliders. */
.gradio-container input:focus-visible { outline: 2px solid var(--body-text-color) !important; outline-offset: 2px; }
.rr-examples img { height: 4rem; margin: 0; border-radius: 8px; }
#rr-found img { max-height: 22rem; object-fit: contain; }
.rr-empty { border: 1px dashed var(--border-color-primary); border-radius: 12px; padding: 2.2rem 1rem;
  text-align: center; color: var(--body-text-color-subdued); }
.rr-notes { color: var(--body-text-color-subdued); font-size: .88rem; margin: .2rem 0 .9rem; }
.rr-report .rr-download a { display: inline-block; padding: .2rem .8rem; margin-right: .7rem; border-radius: 8px;
  font-weight: 600; color: var(--button-secondary-text-color); background: var(--background-fill-primary);
  text-decoration: none; border: 1px solid var(--border-color-primary); }
.rr-report .rr-scores { border-collapse: collapse; width: 100%; margin: 0; font-variant-numeric: tabular-nums; }
.rr-report .rr-scores, .rr-report .rr-scores :is(thead, tbody, tr) { border: 0; }
.rr-report .rr-scores :is(th, td) { text-align: right; padding: .35rem .7rem; border: 0;
  border-bottom: 1px solid var(--border-color-primary); }
.rr-report .rr-scores :is(th, td):first-child { text-align: left; }
.rr-report .rr-scores th { font-weight: 500; color: var(--body-text-color-subdued); }
.rr-report .rr-scores tr:last-child td { font-weight: 650; }
.rr-maps { display: grid; gap: .5rem .6rem; margin-top: .6rem; grid-template-columns: repeat(var(--columns), 1fr); }
.rr-face { border-top: 1px solid var(--border-color-primary); padding: .6rem 0; }
.rr-face :is(.rr-row, summary) { font-size: .85rem; font-weight: 600; padding-bottom: .4rem; }
.rr-pair { display: grid; gap: .6rem; grid-template-columns: repeat(2, minmax(0, 16rem)); }
.rr-pair figure { margin: 0; }
.rr-pair img { width: 100%; display: block; border-radius: 6px; }
.rr-pair figcaption { font-size: .82rem; color: var(--body-text-color-subdued); text-align: center; }
@media (max-width: 640px) {
  .rr-maps { grid-template-columns: repeat(3, 1fr); }
  .rr-report .rr-scores :is(th, td) { padding: .3rem .25rem; }
}
.rr-maps figure { margin: 0; }
.rr-maps img { width: 100%; display: block; border-radius: 6px; background: #000; }
.rr-maps figcaption, .rr-maps .rr-row { font-size: .82rem; color: var(--body-text-color-subdued); }
.rr-maps figcaption { text-align: center; padding-top: .15rem; line-height: 1.3; font-variant-numeric: tabular-nums; }
.rr-maps figcaption b { color: var(--body-text-color); }
.rr-maps .rr-row { grid-column: 1 / -1; font-weight: 600; color: var(--body-text-color); }
.rr-legend { display: flex; flex-wrap: wrap; gap: .2rem .9rem; margin-top: .7rem; font-size: .82rem;
  color: var(--body-text-color-subdued); }
.rr-legend i { display: inline-block; width: .8em; height: .8em; border-radius: 3px; margin-right: .35em;
  vertical-align: -.05em; border: 1px solid var(--border-color-primary); }
"""

#: A click on a button, and a dropped file, close the messages about earlier files and settings.
HEAD = """<script>
for (const kind of ['click', 'drop']) addEventListener(kind, event => {
  if (kind === 'drop' || event.target.closest('button') && !event.target.closest('.toast-body'))
    document.querySelectorAll('.toast-close').forEach(each => each.click());
}, true);
</script>"""

#: Values of the two components of the result: the images of the slider, and the HTML report.
Shown = tuple[tuple[np.ndarray, np.ndarray] | None, str]


def build_page(studio: Studio) -> gr.Blocks:
    """Build the page; :func:`rainrestore.web.server.create_app` serves it."""
    desk = PhotoDesk(studio.restorer)
    page = gr.Blocks(title='rainrestore', analytics_enabled=False, delete_cache=(KEPT, KEPT))
    with page:
        gr.HTML(_head(studio))
        # Each tab has its own result, so that none stands beside the controls of another tab.
        with gr.Tabs():
            with gr.Tab('Photo'), gr.Row():
                add_photo_tab(desk, _scene(_portraits()))
            with gr.Tab('Video'), gr.Row():
                page.unload(add_clip_tab(desk))
            with gr.Tab('Cropped face'), gr.Row():
                _restore_tab(studio)
            with gr.Tab('Make rain'), gr.Row():
                _rain_tab(studio)
    page.queue(max_size=MAX_WAITING, default_concurrency_limit=1)
    return page


def _restore_tab(studio: Studio) -> None:
    result = parts.Result('rr-cropped', 'the face before and after, and the predicted maps')
    with gr.Column(scale=5, min_width=300):
        picker = parts.picker_of('A face in rain, cropped and aligned', result.empty)
        button = gr.Button('Restore', variant='primary', elem_id='rr-restore')
        restore = shown(studio.restore, result)
        clicked = parts.run_at_click(button, restore, picker, result.components, 'restore')
        examples = _rainy(studio.restorer.scale, _portraits())
        parts.add_examples(examples, picker, restore, [picker], result.components, result.empty, [clicked])
    result.render()


def _rain_tab(studio: Studio) -> None:
    sliders: dict[str, gr.Slider] = {}

    def rain(path: str, seed: int, *values: float) -> View:
        return studio.rain(path, dict(zip(sliders, values, strict=True)), seed)

    result = parts.Result('rr-rain', 'the face in rain and restored, scores, the predicted and the true maps')
    event = shown(rain, result)
    with gr.Column(scale=5, min_width=300):
        picker = parts.picker_of('A clean face, cropped and aligned', result.empty)
        examples = gr.Column()
        with gr.Row():
            button = gr.Button('Make rain and restore', variant='primary', elem_id='rr-rain', scale=3)
            draw = gr.Button('Draw other rain', elem_id='rr-draw', scale=2, min_width=120)
        with gr.Group():
            for row in MAIN_SLIDERS:
                with gr.Row():
                    sliders |= {name: _slider(name) for name in row}
                    if 'layers' in row:
                        seed = gr.Number(
                            0, label='Seed', info='chooses the noise', precision=0, minimum=0, maximum=MAX_SEED
                        )
        with gr.Accordion('Noise and gain of the layers', open=False):
            for row in OTHER_SLIDERS:
                with gr.Row():
                    sliders |= {name: _slider(name) for name in row}
    result.render()
    parameters = [seed, *sliders.values()]
    inputs, outputs = [picker, *parameters], result.components
    clicked = parts.run_at_click(button, event, inputs, outputs, 'rain')

    def other_rain() -> list[float]:
        rng = np.random.default_rng()
        settings = drawn_settings(rng)
        return [int(rng.integers(MAX_SEED, endpoint=True)), *(settings[name] for name in sliders)]

    def again(path: str | None, *values: Any) -> Iterator[Shown]:
        # Without an image, moving a slider is not an error.
        if path:
            yield from event(path, *values)
        else:
            yield tuple(result.empty.values())

    drawn = draw.click(other_rain, None, parameters, api_name=False, queue=False)
    followed = drawn.then(again, inputs, outputs, api_name=False, show_progress_on=outputs[0])
    moved = gr.on(
        [slider.release for slider in sliders.values()], again, inputs, outputs, api_name=False,
        trigger_mode='always_last', show_progress_on=outputs[0],
    )  # fmt: skip
    with examples:
        parts.add_examples(_portraits(), picker, event, inputs, outputs, result.empty, [clicked, followed, moved])


def shown(compute: Callable[..., View], result: parts.Result) -> Callable[..., Iterator[Shown]]:
    """Make an event handler of the page from ``compute``.

    A :class:`~rainrestore.errors.RainRestoreError` is shown as a message and clears the previous result.

    Args:
        compute: Its first argument is the path of the uploaded file. The handler shows a message if there is none.
        result: The components of the result.
    """

    @parts.guarded(list(result.empty.values()))
    def event(path: str | None, *values: Any) -> Iterator[Shown]:
        if not path:
            raise ConfigError('Drop an image first, or choose one of the examples.')
        view = compute(path, *values)
        yield (view.before, view.after), report_html(view)

    return event


def report_html(view: View) -> str:
    """The notes, scores, maps and legend of a view, as HTML."""
    # Gradio removes the class of a link, so a span has it.
    name, address = html.escape(f'{view.name}_restored.png', quote=True), parts.data_uri(view.after)
    link = f'<span class="rr-download"><a download="{name}" href="{address}">Download</a></span>'
    notes = ' '.join(html.escape(note) for note in view.notes)
    report = [f'<div class="rr-notes">{link}{notes}</div>']
    if view.scores:
        rows = ''.join(
            f'<tr><td>{one.name}</td><td>{one.psnr:.2f}</td><td>{one.ssim:.4f}</td>'
            f'<td>{one.psnr_y:.2f}</td><td>{one.ssim_y:.4f}</td></tr>'
            for one in view.scores
        )
        report.append(
            '<table class="rr-scores"><thead><tr><th></th><th>PSNR RGB</th><th>SSIM RGB</th><th>PSNR Y</th>'
            f'<th>SSIM Y</th></tr></thead><tbody>{rows}</tbody></table>'
            f'<div class="rr-notes" style="margin-top: .5rem">{html.escape(CONVENTION)}</div>'
        )
    report.append(parts.maps_html(view.maps, view.means))
    if view.labels:
        swatches = ''.join(
            f'<span><i style="background: rgb{tuple(PALETTE[label].tolist())}"></i>{name}</span>'
            for label, name in zip(view.labels, label_names(view.labels), strict=True)
        )
        report.append(f'<div class="rr-legend">{swatches}</div>')
    return ''.join(report)


def _head(studio: Studio) -> str:
    size, side = studio.restorer.size, studio.restorer.size * studio.restorer.scale
    return f"""<div class="rr-head"><h1>rainrestore</h1><p>Restore faces in heavy rain by inverting I = T
&middot;
(J + &Sigma; S<sub>i</sub>) + (1 &minus; T) &middot; A. In photos and videos, the faces are detected first. The network
restores faces of {size} pixels to {side}. Images stay on the computer that serves this page. A restored face is an
estimate, not evidence of a person's identity.</p></div>"""


def _slider(name: str) -> gr.Slider:
    spec = SLIDERS[name]
    return gr.Slider(
        spec.low, spec.high, middle_of(name), step=spec.step, label=spec.label, info=spec.hint, buttons=[],
        elem_id=f'rr-{name.replace("_", "-")}',
    )  # fmt: skip


def _portraits() -> Images:
    paths = [BUNDLED_DATA / 'test' / 'img' / f'{name}.jpg' for name in EXAMPLES]
    return {path.stem: read_image(path) for path in paths if path.is_file()}


def _scene(faces: Images) -> Images:
    """A synthetic photo with three of the faces in rain."""
    if len(faces) < 3:
        return {}
    places = [(40, 90, 96), (200, 60, 128), (380, 110, 72)]
    photo = make_scene(300, 480, list(zip(list(faces.values())[:3], places, strict=True)))
    scene = draw_scene(photo / np.float32(255), RAIN_RANGES['rain_v1'], seeded_rng(0, 'web'), face_side=96)
    return {'three_in_rain': quantise(scene.I)}


def _rainy(scale: int, faces: Images) -> Images:
    rain = ScaleAwareHeavyRain(scale=scale, seed=0)
    return {f'{name}_rainy': rain({'gt': face, 'name': name})['img'] for name, face in faces.items()}
