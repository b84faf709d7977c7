"""Detectors find pasted portraits; other detectors can be registered; rotated photos are searched."""

import email.message
import importlib
import io
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from scenes import MarkerDetector, draw_marker, portrait, scene

from rainrestore.benchmark.scenes import Pose, background, corner_error, crop_in_pose, crop_of, make_scene
from rainrestore.errors import CheckpointError, ConfigError, MissingPackageError
from rainrestore.faces import DetectedFace, FaceCrop, build_detector, find_faces, yunet
from rainrestore.faces.detection import LandmarkDetector
from rainrestore.files import sha256_of
from rainrestore.optional import optional_import
from rainrestore.registry import FACE_DETECTORS


@pytest.fixture
def marker():
    FACE_DETECTORS.register_module(name='MarkerDetector', module=MarkerDetector)
    yield
    FACE_DETECTORS.module_dict.pop('MarkerDetector')


@pytest.mark.parametrize('angle', [0, 90, -90, 45, -45, 180, 78])
def test_rotated_face_is_found_at_its_position(angle) -> None:
    photo = background(150, 210)
    truth = FaceCrop(120, 70, 60, angle)
    draw_marker(photo, truth)
    (found,) = find_faces(MarkerDetector(), [photo])
    assert corner_error(found.crop, truth) < 0.02


def test_upright_versions_are_searched_before_rotations() -> None:
    empty, photo = background(100, 100), background(100, 100)
    draw_marker(photo, FaceCrop(50, 50, 60))
    detector = MarkerDetector()
    assert len(find_faces(detector, [empty, photo])) == 1
    assert detector.calls == 2
    assert find_faces(detector, [empty], turns=(90, 30)) == []
    assert detector.calls == 5


def test_face_found_at_several_rotations_keeps_the_highest_score() -> None:
    def detector(photo):
        """Finds one face at each rotation by a right angle, with the highest score at the second."""
        seen.append(photo.shape)
        return [] if len(seen) == 1 else [DetectedFace(FaceCrop(50, 50, 20), (0.2, 0.8, 0.3)[len(seen) - 2])]

    seen: list = []
    (face,) = find_faces(detector, [np.zeros((100, 100, 3), np.uint8)], turns=(90, -90, 180))
    assert face == DetectedFace(FaceCrop(50, 50, 20, -90), 0.8)


class _Scored:
    """Returns prepared faces, one list for each call."""

    smallest_face = 24
    certain_score = 0.95

    def __init__(self, *found: list[tuple[float, float]]) -> None:
        self.found = [[DetectedFace(FaceCrop(x, 50, 20), score) for x, score in faces] for faces in found]

    def __call__(self, photo: np.ndarray) -> list[DetectedFace]:
        return self.found.pop(0)


@pytest.mark.parametrize(
    ('calls', 'scores'),
    [
        ([[(20, 0.99), (80, 0.91)]], [0.99, 0.91]),  # a certain upright face ends the search; all faces count
        ([[(20, 0.92)], [(81, 0.97)]], [0.97, 0.92]),  # uncertain ones of the first version are kept
        ([[(20, 0.92)], [], [(50, 0.99), (80, 0.93)]], [0.99, 0.92]),  # a rotated face beside an uncertain upright face
        ([[], [], [(50, 0.93)], [(50, 0.94)]], []),  # an uncertain rotated face does not count
        ([[(50, 0.93)], [], [(52, 0.96)]], [0.96]),  # the same face, upright and rotated
        ([[(50, 0.93)], [], [], []], [0.93]),  # an uncertain face alone
    ],
)
def test_uncertain_faces_count_only_as_documented(calls, scores) -> None:
    detector = _Scored(*calls)
    empty = np.zeros((100, 100, 3), np.uint8)
    found = find_faces(detector, [empty, empty], turns=(180,))
    assert sorted((face.score for face in found), reverse=True) == scores
    assert not detector.found


def test_largest_face_is_first() -> None:
    photo = background(200, 300)
    truths = [FaceCrop(60, 90, 50), FaceCrop(200, 100, 120)]
    for truth in truths:
        draw_marker(photo, truth)
    assert [round(face.crop.side, -1) for face in find_faces(MarkerDetector(), [photo])] == [120, 50]


def test_detector_is_built_from_a_name_a_config_or_a_file(marker, tmp_path) -> None:
    assert isinstance(build_detector('MarkerDetector'), MarkerDetector)
    assert isinstance(build_detector({'type': 'MarkerDetector'}), MarkerDetector)
    file = tmp_path / 'detector.py'
    file.write_text("detector = dict(type='MarkerDetector')\n")
    assert isinstance(build_detector(str(file)), MarkerDetector)
    with pytest.raises(ConfigError, match=r"'Marker' is not a registered face detector; use one of .*MTCNNDetector"):
        build_detector('Marker')
    with pytest.raises(ConfigError, match=r"MTCNNDetector has no option 'smallest' \(did you mean 'smallest_face'\?\)"):
        build_detector({'type': 'MTCNNDetector', 'smallest': 16})
    with pytest.raises(ConfigError, match=r"detector\.threshold: must be of type float, got 'high'"):
        build_detector({'type': 'MTCNNDetector', 'threshold': 'high'})
    with pytest.raises(ConfigError, match=r"the config must have detector = dict\(type='...'\)"):
        build_detector({'smallest_face': 16})
    with pytest.raises(ConfigError, match='no such config'):
        build_detector(tmp_path / 'none.py')
    file.write_text('_detectors = []\n')
    with pytest.raises(ConfigError, match='the config must have detector = dict'):
        build_detector(file)


def test_small_photos_are_enlarged_and_large_ones_reduced() -> None:
    class Detector(LandmarkDetector):
        needed = 128

        def landmarks(self, photo: np.ndarray) -> tuple[np.ndarray, list[float]]:
            return np.empty((0, 5, 2)), []

    small, large = (np.broadcast_to(np.uint8(0), (*sides, 3)) for sides in ((480, 640), (4000, 6000)))
    assert Detector(32, 0.5, 10**9).scale(small) == 4
    assert Detector(32, 0.5, 640 * 480).scale(small) == 1
    assert Detector(256, 0.5, 10**9).scale(large) == 0.5


def test_detector_without_a_search_for_landmarks_cannot_be_built() -> None:
    class Detector(LandmarkDetector):
        needed = 128

    with pytest.raises(TypeError, match='landmarks'):
        Detector(32, 0.5, 10**6)  # type: ignore[abstract]


FACES = [(20, 30, 32), (90, 40, 64), (180, 20, 128), (40, 150, 40)]


class TestMTCNN:
    def test_portraits_are_found_at_their_position(self) -> None:
        found = find_faces(build_detector('MTCNNDetector'), [scene(220, 330, [*FACES, (250, 170, 24)])])
        truths = sorted((crop_of(face) for face in [*FACES, (250, 170, 24)]), key=lambda crop: -crop.side)
        assert len(found) == len(truths)
        errors = [corner_error(face.crop, truth) for face, truth in zip(found, truths, strict=True)]
        assert max(errors) < 0.1 and np.mean(errors) < 0.05
        assert all(0.9 <= face.score <= 1 for face in found)

    @pytest.mark.parametrize('pose', [Pose(tilt=20), Pose(tilt=-20), Pose(yaw=30), Pose(yaw=-30)])
    def test_tilted_and_rotated_faces_are_found(self, pose) -> None:
        place = (40, 30, 80)
        photo = make_scene(140, 160, [(portrait(0), place)], pose=pose)
        (found,) = find_faces(build_detector('MTCNNDetector'), [photo], turns=())
        assert corner_error(found.crop, crop_in_pose(place, pose)) < 0.15

    def test_lying_face_is_found_and_an_empty_photo_has_none(self) -> None:
        detector = build_detector('MTCNNDetector')
        upright = scene(120, 160, [(40, 20, 80)])
        (found,) = find_faces(detector, [np.ascontiguousarray(np.rot90(upright))])
        # Rotated counter-clockwise: the pixel at x, y is now at y, width - x.
        assert corner_error(found.crop, FaceCrop(60, 160 - 80, 80, -90)) < 0.1
        assert detector(background(120, 160)) == []

    def test_huge_and_tiny_faces_are_found(self) -> None:
        detector = build_detector({'type': 'MTCNNDetector', 'max_pixels': 300_000})
        large = np.asarray(portrait(1)).repeat(8, 0).repeat(8, 1)
        (found,) = detector(np.pad(large, ((100, 100), (100, 100), (0, 0)), 'edge'))
        assert corner_error(found.crop, FaceCrop(612, 612, 1024)) < 0.1
        for shape in ((1, 1), (3, 400), (400, 3), (9, 9), (17, 2000)):
            assert detector(np.full((*shape, 3), 9, np.uint8)) == []

    def test_boxes_stay_inside_the_photo(self) -> None:
        """Outside the photo, the package fails with tensors of two lengths. Regressions have the largest values of
        any sign.
        """
        detector = build_detector('MTCNNDetector')

        def wild(stage, pixels, found):
            shift, score, *rest = found
            signs = torch.where(torch.rand(shift.shape, generator=random) < 0.5, -9.0, 9.0)
            return signs, torch.ones_like(score), *rest

        random = torch.Generator().manual_seed(0)
        for part in (detector.network.pnet, detector.network.rnet):
            part.register_forward_hook(wild, prepend=True)
        for seed in range(3):
            detector(background(40 + seed, 50, seed))

    def test_invalid_options_are_refused(self) -> None:
        with pytest.raises(ConfigError, match='at least 1'):
            build_detector({'type': 'MTCNNDetector', 'smallest_face': 0})
        for name in ('MTCNNDetector', 'YuNetDetector', 'RetinaFaceDetector'):
            with pytest.raises(ConfigError, match=rf'{name}: threshold must be in 0\.\.1, got 2'):
                build_detector({'type': name, 'threshold': 2})


def test_missing_package_names_the_command(monkeypatch) -> None:
    def missing(name):
        raise ModuleNotFoundError(name=name)

    optional_import.cache_clear()
    monkeypatch.setattr(importlib, 'import_module', missing)
    with pytest.raises(MissingPackageError, match=r'finding faces needs facenet_pytorch.*pip install --no-deps facene'):
        build_detector('MTCNNDetector')


class TestYuNet:
    """The published weights are in no package, so a substitute with YuNet's outputs finds one face."""

    @pytest.fixture(scope='class')
    def weights(self, tmp_path_factory) -> Path:
        """For images of 64x64: of the cells of 8 pixels, the one in row 3 and column 4 is a face."""
        onnx = pytest.importorskip('onnx')
        cells = {8: 64, 16: 16, 32: 4}
        nodes, outputs = [], []
        for stride, count in cells.items():
            values = {'cls': np.zeros((1, count, 1)), 'obj': np.zeros((1, count, 1)), 'bbox': np.zeros((1, count, 4)),
                      'kps': np.zeros((1, count, 10))}  # fmt: skip
            if stride == 8:
                values['cls'][0, 3 * 8 + 4], values['obj'][0, 3 * 8 + 4] = 0.9, 0.9
                values['kps'][0, 3 * 8 + 4] = [-1, -1, 1, -1, 0, 0, -0.5, 1, 0.5, 1]
            for name, value in values.items():
                constant = onnx.numpy_helper.from_array(value.astype(np.float32), f'{name}_{stride}_value')
                inputs = ['zero', f'{name}_{stride}_value']
                nodes += [
                    onnx.helper.make_node('Constant', [], [inputs[1]], value=constant),
                    onnx.helper.make_node('Add', inputs, [f'{name}_{stride}']),
                ]
                outputs.append(onnx.helper.make_tensor_value_info(f'{name}_{stride}', 1, value.shape))
        axes = onnx.helper.make_node('ReduceMean', ['input'], ['mean'], axes=[1, 2, 3], keepdims=0)
        nothing = onnx.numpy_helper.from_array(np.zeros(1, np.float32), 'nothing')
        zero = [axes, onnx.helper.make_node('Constant', [], ['nothing'], value=nothing),
                onnx.helper.make_node('Mul', ['mean', 'nothing'], ['zero'])]  # fmt: skip
        image = onnx.helper.make_tensor_value_info('input', 1, [1, 3, 64, 64])
        graph = onnx.helper.make_graph([*zero, *nodes], 'yunet', [image], outputs)
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid('', 13)], ir_version=8)
        path = tmp_path_factory.mktemp('yunet') / 'yunet.onnx'
        path.write_bytes(model.SerializeToString())
        return path

    def test_landmarks_of_yunet_are_in_pixels_of_the_photo(self, weights) -> None:
        detector = build_detector({
            'type': 'YuNetDetector', 'weights': weights, 'sha256': sha256_of(weights), 'smallest_face': 40,
        })  # fmt: skip
        (face,) = detector(background(128, 128))  # the input has half the size
        # At cell (4, 3) of 8 pixels; each pixel is two pixels of the photo.
        expected = FaceCrop.from_landmarks((48, 32), (80, 32), (64, 64))
        assert corner_error(face.crop, expected) < 1e-4 and face.score == pytest.approx(0.9, abs=0.01)

    def test_weights_come_from_a_path_or_the_variable_and_are_checked(self, weights, tmp_path, monkeypatch) -> None:
        monkeypatch.delenv(yunet.VARIABLE, raising=False)
        with pytest.raises(CheckpointError, match=r'needs face_detection_yunet_2023mar\.onnx: get it from https://'):
            build_detector('YuNetDetector')
        monkeypatch.setenv(yunet.VARIABLE, str(tmp_path / 'none.onnx'))
        with pytest.raises(CheckpointError, match=r'none\.onnx: no such file'):
            build_detector('YuNetDetector')
        monkeypatch.setenv(yunet.VARIABLE, str(weights))
        with pytest.raises(CheckpointError, match=r'yunet\.onnx is not the published .*expected 8f2383e4'):
            build_detector('YuNetDetector')
        assert build_detector({'type': 'YuNetDetector', 'sha256': sha256_of(weights)})
        other = tmp_path / 'other.onnx'
        other.write_bytes(b'none')
        with pytest.raises(CheckpointError, match='OpenCV cannot read it as YuNet'):
            build_detector({'type': 'YuNetDetector', 'weights': other, 'sha256': sha256_of(other)})

    def test_yunet_is_downloaded_only_on_request(self, weights, tmp_path, monkeypatch) -> None:
        asked = []

        def answer(request, *_args, **_options):
            asked.append(request.full_url)
            reply = io.BytesIO(weights.read_bytes())
            reply.info = email.message.Message
            return reply

        monkeypatch.setattr('torch.hub.urlopen', answer)
        target = tmp_path / 'new' / 'yunet.onnx'
        config = {'type': 'YuNetDetector', 'weights': target, 'sha256': sha256_of(weights)}
        with pytest.raises(CheckpointError, match='with download=True the detector downloads it'):
            build_detector(config)
        assert not asked
        build_detector({**config, 'download': True})
        assert asked == [yunet.SOURCE] and target.read_bytes() == weights.read_bytes()
        build_detector({**config, 'download': True})
        assert len(asked) == 1
        target.unlink()
        with pytest.raises(CheckpointError, match='cannot be downloaded'):
            build_detector({**config, 'download': True, 'sha256': 'f' * 64})
        assert not target.exists()

        def refuse(*_args, **_options):
            raise URLError('no network')

        monkeypatch.setattr('torch.hub.urlopen', refuse)
        with pytest.raises(CheckpointError, match=r'cannot be downloaded to .*no network.*: get it from https://'):
            build_detector({**config, 'download': True})


class TestRetinaFace:
    """The published weights are in no package, so substitutes have their names and shapes."""

    @pytest.fixture
    def weights(self, tmp_path):
        facexlib = pytest.importorskip('facexlib.detection')
        torch.manual_seed(0)
        network = facexlib.RetinaFace('mobile0.25', device=torch.device('cpu'))
        path = tmp_path / 'detection_mobilenet0.25_Final.pth'
        # Names and format of the published files, which are older than torch's present format.
        state = {f'module.{name}': value for name, value in network.state_dict().items()}
        torch.save(state, path, _use_new_zipfile_serialization=False)
        return path

    def build(self, weights, **options):
        options = {'weights': weights, 'network': 'mobile0.25', 'device': 'cpu', **options}
        return build_detector({'type': 'RetinaFaceDetector', **options})

    def test_weights_are_loaded_and_retinaface_runs(self, weights) -> None:
        detector = self.build(weights, threshold=0.45, max_pixels=10_000)
        stored = torch.load(weights)
        for name, value in detector.network.state_dict().items():
            assert torch.equal(value, stored[f'module.{name}'])
        found = detector(scene(60, 80, [(10, 5, 50)]))
        # With random weights, the boxes mean nothing, but they are near the photo and in its pixels.
        assert found and all(np.isfinite(face.crop.corners()).all() and 0.45 < face.score <= 1 for face in found)
        assert self.build(weights, threshold=1.0)(scene(60, 80, [])) == []

    def test_boxes_of_retinaface_are_in_pixels_of_the_photo(self, weights, monkeypatch) -> None:
        detector = self.build(weights, smallest_face=128)  # the detector gets the photo at half its size
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
        with pytest.raises(CheckpointError, match=r'other.pth does not contain the weights of RetinaFace'):
            self.build(tmp_path / 'other.pth')
        (tmp_path / 'cut.pth').write_bytes(weights.read_bytes()[:1000])
        with pytest.raises(CheckpointError, match=r'cut\.pth'):
            self.build(tmp_path / 'cut.pth')
        with pytest.raises(ConfigError, match='network must be one of resnet50'):
            build_detector({'type': 'RetinaFaceDetector', 'network': 'resnet'})

    def test_error_without_a_connection_names_the_download_address(self, monkeypatch) -> None:
        utils = pytest.importorskip('facexlib.utils')

        def refuse(*_args, **_options):
            raise OSError('no network')

        monkeypatch.setattr(utils, 'load_file_from_url', refuse)
        with pytest.raises(CheckpointError, match=r'cannot be downloaded \(no network\): get it from https://'):
            build_detector({'type': 'RetinaFaceDetector', 'network': 'mobile0.25', 'device': 'cpu'})

    @pytest.mark.slow
    def test_larger_retinaface_is_built(self, tmp_path) -> None:
        facexlib = pytest.importorskip('facexlib.detection')
        path = tmp_path / 'detection_Resnet50_Final.pth'
        torch.save(facexlib.RetinaFace('resnet50', device=torch.device('cpu')).state_dict(), path)
        detector = build_detector(
            {'type': 'RetinaFaceDetector', 'weights': str(path), 'max_pixels': 5_000, 'device': 'cpu'}
        )
        assert all(np.isfinite(face.crop.corners()).all() for face in detector(scene(60, 80, [])))
