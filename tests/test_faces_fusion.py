"""Fusion of a restored face and the photo: exact for known rain, no change without rain."""

import json
import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from scenes import portrait, scene

from rainrestore.apis import ImageError, PhotoRestorer, Purpose, Restorer
from rainrestore.benchmark.scenes import background, crop_of
from rainrestore.errors import ConfigError
from rainrestore.faces import DetectedFace, FaceCrop, RainEstimate, add_change, decide, face_mask, fuse, soft_mask
from rainrestore.faces.fusion import (
    Decision,
    SceneRain,
    combine,
    noise_level,
    same_veil,
    trust_in,
    with_scene,
    without_fine_streaks,
)
from rainrestore.physics import RainRanges, draw_scene, forward, quantise, resize, seeded_rng

ROOT = Path(__file__).resolve().parents[1]
SIDE, SMALL = 128, 32


def estimate(T: float, A: float = 0.8, S: float = 0.0, J: np.ndarray | None = None) -> RainEstimate:
    J = np.full((SMALL, SMALL, 3), 0.5, np.float32) if J is None else J
    maps = (np.full((SMALL, SMALL, c), value, np.float32) for value, c in ((S, 3), (T, 1), (A, 3)))
    return RainEstimate(J, *maps)


def test_known_haze_is_removed_and_the_details_are_kept() -> None:
    truth = portrait(0) / np.float32(255)
    veiled = forward(truth, np.float32(0), np.float32(0.5), np.float32(0.8))
    seen = resize(veiled, SMALL, SMALL)
    rain = estimate(0.5, J=resize(truth, SMALL, SMALL))
    for trust in (0, 0.5, 1):
        fused = fuse(veiled, truth, seen, rain, trust, keep_colour=False)
        # Resizing is linear, so the detail divided by T is that of the ground truth up to rounding.
        np.testing.assert_allclose(fused, truth, atol=1e-3)


def test_implausibly_strong_detail_is_replaced() -> None:
    truth = portrait(0) / np.float32(255)
    noise = np.random.default_rng(0).normal(0, 0.3, truth.shape).astype(np.float32)
    dirty = truth + noise
    rain = estimate(1.0, J=resize(truth, SMALL, SMALL))
    fused = fuse(dirty, truth, resize(dirty, SMALL, SMALL), rain, 0, keep_colour=False)
    assert np.square(fused - truth).mean() < np.square(dirty - truth).mean() / 10


def test_faces_without_an_estimate_keep_details_above_the_network_size() -> None:
    photo = np.random.default_rng(0).random((96, 96, 3), np.float32)
    restored = np.full((64, 64, 3), 0.5, np.float32)
    seen = resize(photo, 64, 64)
    detail = photo - resize(seen, 96, 96)
    fused = fuse(photo, restored, seen, None, 0, keep_colour=False)
    np.testing.assert_allclose(fused, (0.5 + detail).clip(0, 1), atol=1e-5)
    small = fuse(photo[:40, :40], restored, resize(photo[:40, :40], 64, 64), None, 0, keep_colour=False)
    np.testing.assert_allclose(small, np.full((40, 40, 3), 0.5), atol=1e-5)


def test_colour_of_the_photo_is_kept() -> None:
    photo = portrait(1) / np.float32(255)
    orange = (photo * np.float32([1.0, 0.6, 0.3])).clip(0, 1)
    seen = resize(photo, SMALL, SMALL)
    arguments = (photo, orange, seen, estimate(1.0, J=resize(orange, SMALL, SMALL)), 0)
    inner = soft_mask(SIDE) == 1

    def shift(keep_colour: bool) -> float:
        fused = fuse(*arguments, keep_colour=keep_colour)
        return float(np.abs(fused[inner].mean(0) - photo[inner].mean(0)).max())

    assert shift(keep_colour=False) > 0.1
    assert shift(keep_colour=True) < 0.03


def test_darkest_pixels_bound_the_veil() -> None:
    truth = resize(portrait(0), SMALL, SMALL).clip(0, 1)
    wrong = estimate(0.7, A=0.8, J=truth).bounded(truth)
    darkest = np.quantile(truth, 0.02, axis=(0, 1)).min()
    assert wrong.T.mean() == pytest.approx(1 - darkest / 0.8, abs=1e-4) and wrong.T.mean() > 0.7
    solved = wrong.T.astype(np.float64) * (wrong.J + wrong.S) + (1 - wrong.T) * wrong.A
    inside = (wrong.J > 0) & (wrong.J < 1)
    np.testing.assert_allclose(solved[inside], truth[inside], atol=1e-5)
    # A possible estimate does not change.
    veiled = forward(truth, np.float32(0), np.float32(0.5), np.float32(0.8))
    right = estimate(0.5, A=0.8, J=truth)
    assert right.bounded(veiled) is right


@pytest.mark.parametrize('kept', [0, 0.3, 1])
def test_kept_veil_is_part_of_the_scene(kept) -> None:
    truth = (0.1 + 0.6 * resize(portrait(0), SMALL, SMALL)).astype(np.float64)
    S, T, A = 0.1, np.full((SMALL, SMALL, 1), 0.5), np.full((SMALL, SMALL, 3), 0.8)
    rainy = forward(truth, S, T, A)
    rain = RainEstimate(truth, np.full_like(truth, S), T, A).keeping_veil(rainy, kept)
    np.testing.assert_allclose(forward(rain.J, rain.S, rain.T, rain.A), rainy, atol=1e-6)
    assert rain.T.mean() == pytest.approx({0: 0.5, 0.3: 0.5 / 0.85, 1: 1}[kept])
    # The whole veil is kept; only the streaks, weakened by T, are removed.
    np.testing.assert_allclose(rain.J, {0: truth, 1: rainy - T * S}.get(kept, rain.J), atol=1e-6)
    assert np.abs(truth - rain.J).mean() == pytest.approx(kept * np.abs(truth - (rainy - T * S)).mean(), rel=1e-5)


@pytest.mark.parametrize('known', [0.61, 1.0])
def test_correction_fades_out_towards_clear_faces(known) -> None:
    weights = [decide(estimate(T), known).weight for T in np.linspace(0.3, 1, 50)]
    assert weights[0] == 1 and weights[-1] == 0 and (np.diff(weights) <= 0).all()
    assert decide(estimate(0.55, S=0.08), known).weight == 1
    # Streaks without a veil are removed only by a network trained with clear air. The photo keeps its colours.
    alone = decide(estimate(1.0, S=0.1), known)
    assert (alone.weight, alone.veil, alone.keep_colour) == (known == 1, 0, True)


def test_mask_follows_a_plausible_parsing() -> None:
    np.testing.assert_array_equal(face_mask(None, 64), soft_mask(64))
    parsing = np.zeros((SMALL, SMALL, 19), np.float32)
    y, x = np.mgrid[:SMALL, :SMALL] + 0.5
    head = np.hypot((x - 16) / 10, (y - 16) / 13) < 1
    parsing[..., 13] = head
    parsing[..., 0] = ~head
    mask = face_mask(parsing, 64)
    assert mask[32, 32] == pytest.approx(1, abs=0.01) and mask[32, 4] < 0.05 < soft_mask(64)[32, 4]
    assert (mask <= soft_mask(64) + 1e-6).all() and np.abs(np.diff(mask, axis=1)).max() < 0.4
    # Uncertain everywhere, or a face at an implausible position.
    np.testing.assert_array_equal(face_mask(np.full_like(parsing, 1 / 19), 64), soft_mask(64))
    np.testing.assert_array_equal(face_mask(np.roll(parsing, 16, 1), 64), soft_mask(64))


@pytest.mark.parametrize('angle', [0, 33, 90])
def test_weight_zero_keeps_every_pixel(angle) -> None:
    photo = background(80, 90)
    before = photo.copy()
    add_change(photo, np.zeros((50, 50, 3), np.float32), soft_mask(50), FaceCrop(40.3, 41.7, 50, angle))
    np.testing.assert_array_equal(photo, before)


@pytest.fixture(scope='module')
def plus() -> Restorer:
    return Restorer('fcg_gan_plus_x4', device='cpu')


@pytest.mark.parametrize(
    'model, T, S, note',
    [
        ('plus', 0.98, 0.01, 'shows no detectable veil or streaks (T = 0.98, S = 0.01), and was not changed'),
        ('blind', 0.85, 0.02, 'shows a veil (T = 0.85, S = 0.02), too weak to remove, and was not changed'),
        ('blind', 0.98, 0.05, 'shows streaks (T = 0.98, S = 0.05), too weak to remove, and was not changed'),
        ('plus', 0.8, 0.1, 'shows a veil and streaks (T = 0.80, S = 0.10), unlike the training of fcg_gan_plus_x4 (T '
         'up to 0.61), and was not changed'),
        ('blind', 0.8, 0.1, 'shows a thin veil (T = 0.80), which was kept; its streaks were removed'),
        ('blind', 0.7, 0.1, 'shows a thin veil (T = 0.70), part of which was kept; its streaks were removed'),
        ('blind', 0.8, 0.08, 'shows a thin veil (T = 0.80), which was kept; its streaks were partly removed'),
        ('blind', 0.98, 0.1, None),
        ('blind', 0.5, 0.1, None),
    ],
)  # fmt: skip
def test_note_names_kept_veil_and_kept_streaks(plus, monkeypatch, model, T, S, note) -> None:
    restorer = plus if model == 'plus' else Restorer('fcg_gan_blind_x4', device='cpu')
    monkeypatch.setattr(PhotoRestorer, '_rains', lambda self, restorations: [estimate(T, S=S)] * len(restorations))
    place = (8, 8, 64)
    result = PhotoRestorer(restorer, boxes={}).restore_faces(scene(80, 80, [place]), [DetectedFace(crop_of(place))])
    assert result.notes == (() if note is None else (f'the face at (40, 40) {note}',))


def test_clear_face_is_unchanged_and_a_rainy_face_is_restored(plus) -> None:
    places = [(10, 10, 64), (90, 10, 64)]
    clean = scene(84, 164, places)
    crops = [crop_of(place) for place in places]
    photos = PhotoRestorer(plus, boxes={})
    with pytest.raises(ImageError, match=r'the face at .* shows .* \(T = .*, S = .*\).*, and was not changed'):
        photos(clean, crops)
    rainy = clean.copy()
    drawn = draw_scene(clean / np.float32(255), RainRanges(beta=(0.9, 0.9)), seeded_rng(0, 'x'), face_side=64)
    rainy[:, 82:] = quantise(drawn.I)[:, 82:]
    result = photos(rainy, crops)
    assert [face.weight for face in result.faces] == [0, 1] and len(result.notes) == 1 and result.found == 2
    np.testing.assert_array_equal(result.photo[:, :82], clean[:, :82])

    def error(photo: np.ndarray) -> float:
        return float(np.square(photo[26:58, 106:138].astype(float) - clean[26:58, 106:138]).mean())

    assert error(result.photo) < error(rainy) / 3
    half = PhotoRestorer(plus, boxes={}, strength=0.5)(rainy, crops)
    middle = (rainy.astype(float) + result.photo) / 2
    np.testing.assert_allclose(half.photo, middle, atol=1.01)


def test_fingerprint_depends_on_the_options(plus) -> None:
    options = ({}, dict(strength=0.5), dict(keep_colour=True), dict(estimator=None))
    assert len({PhotoRestorer(plus, boxes={}, **option).fingerprint for option in options}) == len(options)
    for strength in (0, -1, 1.5):
        with pytest.raises(ConfigError, match='strength must be above 0 and at most 1'):
            PhotoRestorer(plus, boxes={}, strength=strength)


def test_rain_estimator_is_a_network_trained_with_rain_maps(plus) -> None:
    assert PhotoRestorer(plus, boxes={}).estimator is plus
    assert PhotoRestorer(Restorer('fcg_gan_x4', device='cpu'), boxes={}).estimator.name == 'hrrm_photos_x4'
    assert PhotoRestorer(Restorer(ROOT / 'configs/references/bicubic_x4.py', device='cpu'), boxes={}).estimator is None


@pytest.mark.parametrize(
    ('step', 'expected'),
    [
        (dict(type='ScaleAwareHeavyRain'), np.exp(-0.5)),
        (dict(type='ScaleAwareHeavyRain', ranges=dict(beta=(0.1, 0.2))), np.exp(-0.1)),
        (dict(type='rainrestore.BlindHeavyRain', dry=0.1), 1),
        (dict(type='RainAndHaze'), 1),
        (dict(type='FlipFace'), np.exp(-0.5)),
        (
            dict(
                type='mmcv.RandomChoice',
                transforms=[
                    [dict(type='FlipFace'), dict(type='ScaleAwareHeavyRain')],
                    dict(type='ScaleAwareHeavyRain', ranges=dict(beta=(0.1, 0.2))),
                ],
            ),
            np.exp(-0.1),
        ),
    ],
)
def test_largest_transmission_of_the_training_is_read(step, expected) -> None:
    config = Config(dict(train_dataloader=dict(dataset=dict(pipeline=[step]))))
    assert Purpose.of(config, 'mine').transmission == pytest.approx(expected)
    config.restoration = dict(transmission=0.8)
    assert Purpose.of(config, 'mine').transmission == 0.8


def test_fusion_benchmark_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The command of the published table, on fewer faces."""
    script = ROOT / 'tools' / 'benchmarks' / 'benchmark_photos.py'
    options = ['--faces', '4', '--sides', '32', '--transmissions', '0.5', '1', '--measures', '--device', 'cpu']
    monkeypatch.setattr(sys, 'argv', [str(script), *options, '--model', 'fcg_gan_plus_x4'])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(script), run_name='__main__')
    assert ended.value.code == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    gains = {(cell['weather'], cell['T']): cell['PSNR'][1] - cell['PSNR'][0] for cell in result['cells']}
    assert gains['rain', 0.5] > 3 and gains['haze', 0.5] > 3 and gains['haze', 1] == 0


def test_noise_level_of_known_noise_is_estimated() -> None:
    rng = np.random.default_rng(0)
    ramp = np.linspace(0.2, 0.8, 64, dtype=np.float32)[:, None, None] * np.ones((64, 64, 3), np.float32)
    ramp[:, ::7] += 0.1  # falling streaks
    assert noise_level(ramp) < 1e-6
    for sigma in (0.02, 0.1):
        noisy = ramp + rng.normal(0, sigma, ramp.shape).astype(np.float32)
        assert noise_level(noisy) == pytest.approx(sigma, rel=0.05)


@pytest.mark.parametrize(
    ('sigma', 'T', 'expected'), [(0.1, 1.0, 1.0), (0.025, 0.3, 1.0), (0.02, 1.0, 0.0), (0, 1, 0.5)]
)
def test_restored_face_has_more_weight_in_noise_and_compression(sigma, T, expected) -> None:
    """White noise of a known sigma, amplified by 1 / T; a face without detail counts as strong JPEG."""
    noise = np.random.default_rng(0).normal(0, sigma, (SMALL, SMALL, 3)).astype(np.float32)
    assert trust_in(estimate(T), 0.5 + noise) == pytest.approx(expected, abs=0.01)


def test_heavy_rain_network_is_used_only_where_it_is_reliable() -> None:
    face = resize(portrait(0), SMALL, SMALL).clip(0, 1)
    seen = forward(face, np.float32(0), np.float32(0.5), np.float32(0.8))
    general, heavy = estimate(0.5), estimate(0.55)
    assert combine(general, heavy, seen) is heavy
    # They disagree, or agree on no heavy rain.
    assert combine(general, estimate(0.35), seen) is general
    assert combine(estimate(0.7), estimate(0.61), seen) is not heavy
    # Noise, and an image without fine detail.
    noisy = seen + np.random.default_rng(0).normal(0, 0.06, seen.shape).astype(np.float32)
    assert combine(general, heavy, noisy).T is general.T
    assert combine(general, heavy, cv2.GaussianBlur(seen, (0, 0), 2)) is general


def test_kept_colour_excludes_the_streaks() -> None:
    truth = 0.1 + 0.5 * portrait(0) / np.float32(255)
    rainy = truth + np.float32(0.2)
    rain = estimate(1.0, S=0.2, J=resize(truth, SMALL, SMALL))
    fused = fuse(rainy, truth, resize(rainy, SMALL, SMALL), rain, 0, keep_colour=True)
    np.testing.assert_allclose(fused, truth, atol=2e-3)


def around(T: float, A: float = 0.8, streaks: float = 0.0, certain: float = 0.0) -> SceneRain:
    """The rain of a scene whose maps are constant over a face."""
    maps = (np.full((SIDE, SIDE, c), value, np.float32) for value, c in ((streaks, 3), (T, 1)))
    return SceneRain(next(maps), certain, next(maps), A)


@pytest.mark.parametrize(('own', 'scene'), [(0.8, 0.74), (0.75, 0.8)])
def test_thin_veil_is_removed_with_the_larger_transmission(own, scene) -> None:
    """The larger T and the mean of the two A are correct, because the errors of A have opposite signs."""
    truth = resize(portrait(0) / np.float32(255), SMALL, SMALL)
    veiled = forward(truth, np.float32(0), np.float32(0.8), np.float32(0.7))
    rain, decision = with_scene(estimate(own, A=0.8), decide(estimate(own), 1.0), around(scene, A=0.6), veiled)
    assert decision == Decision(1.0, 1.0)
    np.testing.assert_allclose(rain.J, truth, atol=1e-4)
    np.testing.assert_allclose(forward(rain.J, rain.S, rain.T, rain.A), veiled, atol=1e-4)


@pytest.mark.parametrize('scene', [around(0.6), around(0.95), around(0.89)], ids=['another T', 'clear', 'nearly clear'])
def test_veil_that_the_scene_does_not_confirm_is_kept(scene) -> None:
    rain, rainy = estimate(0.84), np.full((SMALL, SMALL, 3), (0.6, 0.5, 0.4), np.float32)
    decided = decide(rain, 1.0)
    assert decided == Decision(0.0, 0.0)
    assert with_scene(rain, decided, scene, rainy) == (rain, decided)


@pytest.mark.parametrize(('own', 'scene', 'same'), [(0.35, 0.55, True), (0.35, 0.65, False), (0.55, 0.65, True)])
def test_two_dense_veils_are_the_same_veil(own, scene, same) -> None:
    """Their estimates may differ more than those of thin veils."""
    rainy = np.full((SMALL, SMALL, 3), (0.6, 0.5, 0.4), np.float32)
    assert same_veil(estimate(own), around(scene), rainy) == same


def test_thin_veil_of_a_grey_image_is_kept() -> None:
    rainy = np.full((SMALL, SMALL, 3), 0.6, np.float32)
    decided = decide(estimate(0.8), 1.0)
    assert with_scene(estimate(0.8), decided, around(0.8), rainy)[1] == Decision(0.0, 0.0)
    assert with_scene(estimate(0.8), decided, around(0.8), rainy * np.float32((1, 0.9, 0.8)))[1] == Decision(1.0, 1.0)


def test_heavy_veil_needs_no_scene() -> None:
    rain, rainy = estimate(0.4), np.full((SMALL, SMALL, 3), 0.6, np.float32)
    assert with_scene(rain, decide(rain, 1.0), around(0.45, certain=1.0), rainy) == (rain, Decision(1.0, 1.0))


@pytest.mark.parametrize('T', [0.3, 0.38, 0.5])
def test_haze_without_streaks_has_the_detail_of_the_photo(T) -> None:
    """Only the low frequencies of the drawn J remain."""
    truth = resize(portrait(0) / np.float32(255), SMALL, SMALL).clip(0, 1)
    rainy = forward(truth, np.float32(0), np.float32(T), np.float32(0.8))
    stripes = np.float32(0.1) * (-1) ** np.arange(SMALL, dtype=np.float32)[:, None, None]
    darker = np.float32(0.04)
    drawn = estimate(T, S=0.04, J=truth + stripes - darker)
    rain, decision = with_scene(drawn, decide(drawn, 1.0), around(T), rainy)
    assert decision == Decision(1.0, 1.0) and not rain.S.any()
    inner = np.s_[8:-8, 8:-8]
    np.testing.assert_allclose((rain.J - truth)[inner], -darker, atol=2e-3)


@pytest.mark.parametrize(
    ('S', 'scene'), [(0.04, around(0.5, streaks=0.05, certain=0.1)), (0.06, around(0.5))], ids=['scene', 'face']
)
def test_heavy_veil_with_streaks_keeps_the_estimate(S, scene) -> None:
    rain, rainy = estimate(0.5, S=S), np.full((SMALL, SMALL, 3), 0.6, np.float32)
    assert with_scene(rain, decide(rain, 1.0), scene, rainy)[0] is rain


def test_faint_streaks_over_a_large_face_come_from_the_scene() -> None:
    """In the small input of the network, fine streaks are one grey level; only the scene shows them."""
    truth = portrait(0) / np.float32(255) * np.float32(0.8)
    streaks = np.zeros((SIDE, SIDE, 3), np.float32)
    streaks[:, ::4] = 0.2
    rainy = truth + streaks
    seen = resize(rainy, SMALL, SMALL)
    scene = SceneRain(streaks, 1.0, np.ones((SIDE, SIDE, 1), np.float32), 0.8)
    none = estimate(0.98)
    rain, decision = with_scene(none, decide(none, 1.0), scene, seen)
    assert decision == Decision(0.0, 1.0) and decision.keep_colour
    own = without_fine_streaks(rainy, scene.streaks, SMALL)
    fused = fuse(own, quantise(truth) / np.float32(255), seen, rain, 0, keep_colour=True)
    np.testing.assert_allclose(fused, truth, atol=0.01)


@pytest.mark.parametrize(('own', 'around_it'), [(0.95, 1.0), (0.8, 0.78)], ids=['clear air', 'thin veil'])
def test_streaks_that_the_face_shows_are_those_of_its_estimate(own, around_it) -> None:
    """The scene only makes them certain."""
    rainy = np.full((SMALL, SMALL, 3), (0.8, 0.7, 0.6), np.float32)
    rain = estimate(own, S=0.08)
    decided = decide(rain, 1.0)
    assert 0 < decided.streaks < 1 and decided.veil == 0
    found, decision = with_scene(rain, decided, around(around_it, streaks=0.2, certain=1.0), rainy)
    assert decision.streaks == 1
    np.testing.assert_allclose(found.T * found.S, rain.T * rain.S, atol=1e-6)


def test_scene_without_streaks_has_no_effect() -> None:
    photo = portrait(0) / np.float32(255)
    np.testing.assert_array_equal(without_fine_streaks(photo, np.zeros_like(photo), SMALL), photo)
