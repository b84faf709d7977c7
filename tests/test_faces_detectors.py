"""Detectors find the portraits where they were pasted; the slot takes others; turned photos are searched."""

import importlib.util

import numpy as np
import pytest
import torch
from scenes import MarkerDetector, draw_marker, portrait, scene

from rainrestore.benchmark.scenes import background, corner_error, crop_of
from rainrestore.errors import CheckpointError, ConfigError, MissingPackageError
from rainrestore.faces import DetectedFace, FaceCrop, build_detector, find_faces
from rainrestore.faces.detection import working_scale
from rainrestore.faces.dlib_detectors import INSTALL
from rainrestore.registry import FACE_DETECTORS


@pytest.fixture
def marker():
    FACE_DETECTORS.register_module(name='MarkerDetector', module=MarkerDetector)
    yield
    FACE_DETECTORS.module_dict.pop('MarkerDetector')


@pytest.mark.parametrize('angle', [0, 90, -90, 45, -45, 180, 78])
def test_turned_face_is_found_where_it_is(angle) -> None:
    photo = background(150, 210)
    truth = FaceCrop(120, 70, 60, angle)
    draw_marker(photo, truth)
    (found,) = find_faces(MarkerDetector(), [photo])
    assert corner_error(found.crop, truth) < 0.02


def test_all_versions_upright_come_before_any_turn() -> None:
    empty, photo = background(100, 100), background(100, 100)
    draw_marker(photo, FaceCrop(50, 50, 60))
    detector = MarkerDetector()
    assert len(find_faces(detector, [empty, photo])) == 1
    assert detector.calls == 2
    assert find_faces(detector, [empty], turns=(90, 30)) == []
    assert detector.calls == 5


def test_face_seen_at_several_turns_counts_where_it_is_surest() -> None:
    def detector(photo):
        """Sees one face at each turn by a right angle, and is surest of the second."""
        seen.append(photo.shape)
        return [] if len(seen) == 1 else [DetectedFace(FaceCrop(50, 50, 20), (0.2, 0.8, 0.3)[len(seen) - 2])]

    seen: list = []
    (face,) = find_faces(detector, [np.zeros((100, 100, 3), np.uint8)], turns=(90, -90, 180))
    assert face == DetectedFace(FaceCrop(50, 50, 20, -90), 0.8)


def test_largest_first() -> None:
    photo = background(200, 300)
    truths = [FaceCrop(60, 90, 50), FaceCrop(200, 100, 120)]
    for truth in truths:
        draw_marker(photo, truth)
    assert [round(face.crop.side, -1) for face in find_faces(MarkerDetector(), [photo])] == [120, 50]


def test_slot_takes_a_name_a_config_and_a_file(marker, tmp_path) -> None:
    assert isinstance(build_detector('MarkerDetector'), MarkerDetector)
    assert isinstance(build_detector({'type': 'MarkerDetector'}), MarkerDetector)
    file = tmp_path / 'detector.py'
    file.write_text("detector = dict(type='MarkerDetector')\n")
    assert isinstance(build_detector(str(file)), MarkerDetector)
    with pytest.raises(ConfigError, match=r"'Marker' is no registered face detector; there are .*DlibDetector"):
        build_detector('Marker')
    with pytest.raises(ConfigError, match='no such config'):
        build_detector(tmp_path / 'none.py')
    file.write_text('detectors = []\n')
    with pytest.raises(ConfigError, match='a config of a detector has detector = dict'):
        build_detector(file)


def test_small_photos_are_enlarged_and_large_ones_bounded() -> None:
    assert working_scale(640, 480, 32, 128, 10**9) == 4
    assert working_scale(640, 480, 32, 128, 640 * 480) == 1
    assert working_scale(6000, 4000, 256, 128, 10**9) == 0.5


FACES = [(20, 30, 32), (90, 40, 64), (180, 20, 128), (40, 150, 40)]


class TestDlib:
    @pytest.fixture(autouse=True)
    def packages(self) -> None:
        pytest.importorskip('dlib')
        if importlib.util.find_spec('face_recognition_models') is None:
            pytest.skip(f'optional, without its models: {INSTALL}')

    def test_finds_the_portraits_where_they_are(self) -> None:
        found = find_faces(build_detector('DlibDetector'), [scene(220, 330, FACES)])
        truths = sorted((crop_of(face) for face in FACES), key=lambda crop: -crop.side)
        assert len(found) == len(FACES)
        errors = [corner_error(face.crop, truth) for face, truth in zip(found, truths, strict=True)]
        assert max(errors) < 0.1 and np.mean(errors) < 0.05

    def test_turned_and_empty(self) -> None:
        detector = build_detector('DlibDetector')
        upright = scene(120, 160, [(40, 20, 80)])
        (found,) = find_faces(detector, [np.ascontiguousarray(np.rot90(upright))])
        # Turned counter-clockwise: what was at x, y is at y, width - x.
        assert corner_error(found.crop, FaceCrop(60, 160 - 80, 80, -90)) < 0.1
        assert detector(background(120, 160)) == []

    def test_huge_and_tiny(self) -> None:
        detector = build_detector({'type': 'DlibDetector', 'max_pixels': 300_000})
        large = np.asarray(portrait(1)).repeat(8, 0).repeat(8, 1)
        (found,) = detector(np.pad(large, ((100, 100), (100, 100), (0, 0)), 'edge'))
        assert corner_error(found.crop, FaceCrop(612, 612, 1024)) < 0.1
        assert detector(np.full((1, 1, 3), 9, np.uint8)) == []
        assert detector(np.full((3, 400, 3), 9, np.uint8)) == []

    @pytest.mark.slow
    def test_network(self) -> None:
        detector = build_detector({'type': 'DlibCNNDetector', 'smallest_face': 64})
        found = find_faces(detector, [scene(110, 160, [(30, 20, 80)])], turns=())
        assert [corner_error(face.crop, crop_of((30, 20, 80))) < 0.1 for face in found] == [True]

    def test_impossible_sizes(self) -> None:
        with pytest.raises(ConfigError, match='at least 1'):
            build_detector({'type': 'DlibDetector', 'smallest_face': 0})


def test_missing_packages_name_the_command(monkeypatch) -> None:
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    with pytest.raises(MissingPackageError, match=r'finding faces needs \w+.*pip install dlib-bin face_recognition'):
        build_detector('DlibDetector')


class TestRetinaFace:
    """With stand-in weights of the right names and shapes: the real ones are not in any package."""

    @pytest.fixture
    def weights(self, tmp_path):
        facexlib = pytest.importorskip('facexlib.detection')
        torch.manual_seed(0)
        network = facexlib.RetinaFace('mobile0.25', device=torch.device('cpu'))
        path = tmp_path / 'detection_mobilenet0.25_Final.pth'
        # Names and format as in the published files, which are older than torch's present format.
        state = {f'module.{name}': value for name, value in network.state_dict().items()}
        torch.save(state, path, _use_new_zipfile_serialization=False)
        return path

    def build(self, weights, **options):
        options = {'weights': weights, 'network': 'mobile0.25', 'device': 'cpu', **options}
        return build_detector({'type': 'RetinaFaceDetector', **options})

    def test_weights_are_loaded_and_the_network_runs(self, weights) -> None:
        detector = self.build(weights, threshold=0.45, max_pixels=10_000)
        stored = torch.load(weights)
        for name, value in detector.network.state_dict().items():
            assert torch.equal(value, stored[f'module.{name}'])
        found = detector(scene(60, 80, [(10, 5, 50)]))
        # What such weights take for faces means nothing, but it is near the photo and in its pixels.
        assert found and all(np.isfinite(face.crop.corners()).all() and 0.45 < face.score <= 1 for face in found)
        assert self.build(weights, threshold=1.0)(scene(60, 80, [])) == []

    def test_its_boxes_and_landmarks_are_read_in_the_photos_pixels(self, weights, monkeypatch) -> None:
        detector = self.build(weights, smallest_face=128)  # the photo at half its size
        seen = {}

        def detect_faces(image, threshold):
            seen.update(shape=image.shape, colour=image[5, 5].tolist(), threshold=threshold)
            # left, top, right, bottom, score, left eye, right eye, nose, corners of the mouth
            return np.array([[9, 9, 29, 29, 0.9, 15, 10, 25, 10, 20, 14, 16, 20, 24, 20]], np.float32)

        monkeypatch.setattr(detector.network, 'detect_faces', detect_faces)
        photo = np.full((100, 120, 3), (200, 100, 50), np.uint8)
        expected = FaceCrop.from_landmarks((30, 20), (50, 20), (40, 40))
        assert detector(photo) == [DetectedFace(expected, pytest.approx(0.9))]
        assert seen == {'shape': (50, 60, 3), 'colour': [50, 100, 200], 'threshold': 0.8}

    def test_other_weights_are_refused(self, weights, tmp_path) -> None:
        with pytest.raises(CheckpointError, match='no such file; the weights of RetinaFace are at'):
            self.build(tmp_path / 'none.pth')
        torch.save({'weight': torch.zeros(3)}, tmp_path / 'other.pth')
        with pytest.raises(CheckpointError, match=r'other.pth holds no weights of this RetinaFace'):
            self.build(tmp_path / 'other.pth')
        (tmp_path / 'cut.pth').write_bytes(weights.read_bytes()[:1000])
        with pytest.raises(CheckpointError, match=r'cut\.pth'):
            self.build(tmp_path / 'cut.pth')
        with pytest.raises(ConfigError, match='network is one of resnet50'):
            build_detector({'type': 'RetinaFaceDetector', 'network': 'resnet'})

    def test_no_connection_names_where_to_get_them(self, monkeypatch) -> None:
        utils = pytest.importorskip('facexlib.utils')

        def refuse(*_args, **_options):
            raise OSError('no network')

        monkeypatch.setattr(utils, 'load_file_from_url', refuse)
        with pytest.raises(CheckpointError, match=r'cannot be downloaded \(no network\): get it from https://'):
            build_detector({'type': 'RetinaFaceDetector', 'network': 'mobile0.25', 'device': 'cpu'})

    @pytest.mark.slow
    def test_the_larger_network(self, tmp_path) -> None:
        facexlib = pytest.importorskip('facexlib.detection')
        path = tmp_path / 'detection_Resnet50_Final.pth'
        torch.save(facexlib.RetinaFace('resnet50', device=torch.device('cpu')).state_dict(), path)
        detector = build_detector(
            {'type': 'RetinaFaceDetector', 'weights': str(path), 'max_pixels': 5_000, 'device': 'cpu'}
        )
        assert all(np.isfinite(face.crop.corners()).all() for face in detector(scene(60, 80, [])))
