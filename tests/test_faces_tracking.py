"""Tracks: identity, jitter, lag, and exact resumption from a saved state."""

import json

import numpy as np
import pytest
from scenes import portrait

from rainrestore.faces import DetectedFace, FaceCrop, cut
from rainrestore.faces.tracking import FaceAverage, FaceTracker

FRAME = 1 / 25


def follow(tracker: FaceTracker, crops: list) -> list[FaceCrop]:
    """The track of one face, frame by frame."""
    found = []
    for crop in crops:
        tracker.update([DetectedFace(crop)], FRAME)
        (face,) = tracker.faces()
        found.append(face.crop)
    return found


def test_jitter_of_a_static_face_is_smoothed() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.01, (200, 4)) * (60, 60, 60, 100)
    found = follow(FaceTracker(), [FaceCrop(100 + x, 80 + y, 60 + s, a) for x, y, s, a in noise])

    def jitter(values: np.ndarray) -> np.ndarray:
        return np.diff(values, axis=0).std(0)

    smooth = np.array([[crop.x, crop.y, crop.side, crop.angle] for crop in found])
    assert (jitter(smooth[50:]) < jitter(noise[50:]) / 3).all()
    np.testing.assert_allclose(smooth[50:].mean(0), (100, 80, 60, 0), atol=0.3)


def test_track_follows_a_moving_face() -> None:
    """The face moves one side a second and rotates. The lag stays below a tenth of the side."""
    walk = [FaceCrop(100 + 60 * FRAME * step, 80, 60, 40 * FRAME * step) for step in range(50)]
    found = follow(FaceTracker(), walk)
    assert max(abs(crop.x - truth.x) for crop, truth in zip(found[10:], walk[10:], strict=True)) < 6
    assert max(abs(crop.angle - truth.angle) for crop, truth in zip(found[10:], walk[10:], strict=True)) < 5


def test_angle_changes_along_the_shorter_direction() -> None:
    found = follow(FaceTracker(), [FaceCrop(50, 50, 40, 178), FaceCrop(50, 50, 40, -178), FaceCrop(50, 50, 40, -178)])
    assert [round(crop.angle) % 360 for crop in found] == pytest.approx([178, 180, 181], abs=1)


def test_each_face_keeps_its_track() -> None:
    tracker = FaceTracker()
    left, right, large = FaceCrop(50, 50, 40), FaceCrop(100, 50, 40), FaceCrop(52, 50, 120)
    tracker.update([DetectedFace(left, 1), DetectedFace(right, 2)], FRAME)
    for step in range(10):
        # The detections have the other order. From the fifth frame on, a face of another size covers the first one.
        moved = [DetectedFace(FaceCrop(100 - step, 50, 40), 2), DetectedFace(FaceCrop(50 + step, 50, 40), 1)]
        tracker.update([*moved, *([DetectedFace(large, 3)] if step >= 5 else [])], FRAME)
    faces = tracker.faces()
    assert [face.score for face in faces] == [1, 2, 3]
    assert [face.crop.x for face in faces] == pytest.approx([59, 91, 52], abs=2)


def test_face_that_was_found_twice_has_one_track() -> None:
    """As around a lost face whose neighbour is found: no second track, and the lost track does not take its place."""
    tracker = FaceTracker(hold=10)
    tracker.update([DetectedFace(FaceCrop(50, 50, 60)), DetectedFace(FaceCrop(75, 50, 60))], FRAME)
    assert tracker.numbers() == [0, 1]
    for step in range(5):
        tracker.update([DetectedFace(FaceCrop(75, 50, 60)), DetectedFace(FaceCrop(76 + step % 2, 51, 58))], FRAME)
        assert tracker.numbers() == [0, 1]
        assert [face.crop.x for face in tracker.faces()] == pytest.approx([50, 75], abs=1.5)


def test_lost_face_is_kept_for_a_while() -> None:
    tracker = FaceTracker(hold=0.1)
    tracker.update([DetectedFace(FaceCrop(50, 50, 40))], FRAME)
    for frames in range(5):
        tracker.update([], FRAME)
        assert len(tracker.faces()) == (1 if (frames + 1) * FRAME <= 0.1 else 0)
    tracker.update([DetectedFace(FaceCrop(50, 50, 40))], FRAME)
    tracker.forget()
    assert tracker.faces() == []


def shown(average: FaceAverage, images: list[np.ndarray]) -> np.ndarray:
    """The displayed crops of one face."""
    return np.array([average(0, image, FRAME).astype(float) for image in images])


def test_noise_of_restored_faces_is_averaged_over_time() -> None:
    """The noise falls by the factor of the exponential average."""
    rng = np.random.default_rng(0)
    face = portrait(0)
    noisy = [np.clip(face + rng.normal(0, 12, face.shape), 0, 255).astype(np.uint8) for _ in range(40)]
    weight = 1 - np.exp(-FRAME / 0.12)
    inner = np.s_[:, 32:96, 32:96]
    error = (shown(FaceAverage(blend=0.12), noisy)[15:] - face)[inner]
    single = (np.array(noisy[15:], float) - face)[inner]
    assert error.std() == pytest.approx(single.std() * np.sqrt(weight / (2 - weight)), rel=0.15)
    np.testing.assert_array_equal(shown(FaceAverage(blend=0), noisy), noisy)


def test_average_follows_a_drifting_face() -> None:
    """Errors of the landmarks cause drift. An average without motion compensation would blur the face."""
    face = portrait(1)
    moves = [FaceCrop(64 + 2.5 * np.sin(step / 2), 64 + 1.5 * np.cos(step), 128, 2 * np.sin(step / 3))
             for step in range(25)]  # fmt: skip
    drifting = [cut(face, move) for move in moves]
    inner = np.s_[:, 32:96, 32:96]
    error = np.abs(shown(FaceAverage(blend=0.12), drifting) - drifting)[inner][5:].mean()
    weight = 1 - np.exp(-FRAME / 0.12)
    still = [drifting[0].astype(float)]
    for image in drifting[1:]:
        still.append(still[-1] + weight * (image - still[-1]))
    assert error < 2 and error < np.abs(np.array(still) - drifting)[inner][5:].mean() / 3


def test_another_face_starts_a_new_average() -> None:
    images = [portrait(0), 255 - portrait(0), np.full((128, 128, 3), 255, np.uint8), portrait(2)[:96, :96]]
    average = FaceAverage(blend=0.12)
    for image in images:
        np.testing.assert_array_equal(shown(average, [image])[0], image)
    # The same holds for a face of another number, and for a face that was lost.
    average = FaceAverage(blend=5)
    average(0, portrait(0), FRAME)
    np.testing.assert_array_equal(average(1, portrait(1), FRAME), portrait(1))
    average.keep([1])
    np.testing.assert_array_equal(average(0, portrait(2), FRAME), portrait(2))


def test_track_state_resumes_exactly() -> None:
    rng = np.random.default_rng(1)
    crops = [FaceCrop(100 + x, 80 + y, 60 + s, a) for x, y, s, a in rng.normal(0, 2, (20, 4))]
    whole = FaceTracker()
    first = FaceTracker()
    expected = follow(whole, crops)
    follow(first, crops[:9])
    first.update([], FRAME)
    second = FaceTracker()
    second.restore_state(json.loads(json.dumps(first.state())))
    assert second.faces() == first.faces() and second.numbers() == first.numbers() == [0]
    for tracker in (first, second):
        tracker.update([], FRAME)
    assert follow(second, crops[9:]) == follow(first, crops[9:])
    fresh = FaceTracker()
    fresh.restore_state(json.loads(json.dumps(FaceTracker().state())))
    assert follow(fresh, crops) == expected


def test_averages_resume_exactly() -> None:
    first, second = FaceAverage(), FaceAverage()
    first(3, portrait(0), FRAME)
    second.restore_state(json.loads(json.dumps(first.state())))
    smaller = portrait(0)[:126, :126]
    np.testing.assert_array_equal(second(3, smaller, FRAME), first(3, smaller, FRAME))
    assert second.state() == first.state()
