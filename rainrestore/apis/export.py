"""Export a restorer to a file that runs without this package: ONNX or TorchScript, for any batch size and any sides."""

import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from mmengine.config import Config
from torch import Tensor, nn

from rainrestore import __version__
from rainrestore.apis.purpose import Purpose
from rainrestore.apis.restorer import SMALLEST_SIDE, build_restorer, find_model
from rainrestore.checkpoints import ZOO_SCHEME, load_checkpoint
from rainrestore.errors import ConfigError, ExportError, OptionError
from rainrestore.files import whole_file
from rainrestore.labels import LABELS
from rainrestore.models.folding import fold
from rainrestore.optional import optional_import
from rainrestore.zoo.index import zoo_entry

Format = Literal['onnx', 'torchscript']

INPUT = 'rainy'
#: Key of an output of the network -> its name in the file, the symbol in the paper.
NAMES = {
    'pred_img': 'image', 'lr_img': 'J', 'streak': 'S', 'transmission': 'T', 'airlight': 'A', 'parsing': 'F',
}  # fmt: skip
#: Batch size, height and width of the inputs for the check of a file; all differ from ``RECORDED``.
CHECKS = ((1, 32, 32), (3, 33, 47), (2, 16, 100), (1, SMALLEST_SIDE, 9))
#: Allowed difference from PyTorch, for rounding errors; far below a grey level of 1 / 255.
TOLERANCE = 1e-4
RECORDED = (2, 3, 24, 40)
#: Least side for the exporter. The checks also cover smaller sides.
RECORDED_FROM = 17
EXTRA = "pip install 'rainrestore[export]'"
#: End of the message about a file with other results.
FIXED_SIDES = 'the operations of this network depend on the sides; no file is written'
#: Name of the metadata file inside a TorchScript file.
METADATA_FILE = 'rainrestore.json'

Runner = Callable[[Tensor], Sequence[Tensor]]


@dataclass(frozen=True)
class Exported:
    """The result of an export.

    Attributes:
        path: Path of the file.
        metadata: The metadata in the file; see :func:`export`.
        max_difference: Output -> largest absolute difference from PyTorch over the inputs in :data:`CHECKS`.
    """

    path: Path
    metadata: dict[str, Any]
    max_difference: dict[str, float]


class _Recorded(nn.Module):
    """The network as a function from one tensor to a tuple."""

    def __init__(self, network: nn.Module, keys: Sequence[str]) -> None:
        super().__init__()
        self.network = network
        self.keys = tuple(keys)

    def forward(self, rainy: Tensor) -> tuple[Tensor, ...]:
        outputs = self.network(rainy, mode='tensor')
        return tuple(outputs[key].float().clamp(0, 1) for key in self.keys)


def export(
    model: str | Path | Config,
    path: Path | str,
    format: Format = 'onnx',
    checkpoint: Path | str | None = None,
    physics: bool = False,
) -> Exported:
    """Write a network, folded and in float32, to a file, and compare the results of the file with PyTorch.

    The input is ``rainy``, I (N, 3, h, w), RGB in [0, 1], any N, any sides of at least 8. The outputs are in [0, 1]:
    ``image`` (N, 3, s h, s w), RGB. With ``physics``, and for a network without ``image``, the predicted maps are
    outputs, too: ``J`` (N, 3, h, w), ``S`` (N, 3, h, w), ``T`` (N, 1, h, w), ``A`` (N, 3, 1, 1), ``F`` (N, 19, h, w).

    The metadata are ``name``, ``scale``, ``trained_side``, ``smallest_side``, ``colour_order``, ``range``, ``layout``,
    ``inputs``, ``outputs``, ``labels`` (of F), ``licence`` of the weights and ``rainrestore``, the version. In an ONNX
    file they are ``metadata_props`` (lists as JSON), in a TorchScript file the extra file ``rainrestore.json``.

    Args:
        model: See :class:`~rainrestore.apis.Restorer`.
        path: The file to write; it is created only if the check succeeds.
        format: ``'onnx'`` (opset 20) or ``'torchscript'``.
        checkpoint: See :class:`~rainrestore.apis.Restorer`.
        physics: Whether to add the outputs J, S, T, A and F.

    Raises:
        ExportError: The format does not support an operation of the network, or the results of the file differ by more
            than 1e-4 for some sides (for example if windows of the network depend on the sides).
        CheckpointError: See :class:`~rainrestore.apis.Restorer`.
        ConfigError: ``path`` is a folder, the config or the checkpoint; see also :class:`~rainrestore.apis.Restorer`.
        MissingPackageError: onnx, onnxscript or onnxruntime is not installed.
        OptionError: An unknown format.
    """
    if format not in ('onnx', 'torchscript'):
        raise OptionError(f"format must be 'onnx' or 'torchscript', got {format!r}")
    if format == 'onnx':
        for package in ('onnx', 'onnxscript', 'onnxruntime'):
            optional_import(package, 'Export to ONNX', EXTRA)
    config, name, weights = find_model(model, checkpoint)
    path = Path(path)
    if path.is_dir():
        raise ConfigError(f'{path}: is a folder; name a file')
    for source in (model, checkpoint):
        if isinstance(source, str | Path) and path.exists() and Path(source).exists() and path.samefile(source):
            raise ConfigError(f'{path}: is an input; choose another file for the export')
    network = build_restorer(config, name, weights)
    images = [_images(*shape) for shape in CHECKS]
    # Before folding, so that the check includes folding.
    expected = [_restore(network, image) for image in images]
    keys = ['pred_img'] if 'pred_img' in expected[0] and not physics else list(expected[0])
    first = {NAMES.get(key, key): expected[0][key] for key in keys}
    names = list(first)
    recorded = _Recorded(fold(network), keys).eval()
    metadata = _metadata(name, weights, Purpose.of(config, name).size, first)
    with whole_file(path) as temporary:
        write, load = (_write_onnx, _load_onnx) if format == 'onnx' else (_write_torchscript, _load_torchscript)
        write(recorded, names, temporary, metadata)
        run = load(temporary)
        difference = dict.fromkeys(names, 0.0)
        for image, outputs in zip(images, expected, strict=True):
            for output, key, values in zip(names, keys, _run(run, image, name), strict=True):
                if values.shape != outputs[key].shape:
                    raise ExportError(f'{name}: {output} of the file is {tuple(values.shape)} for {_size(image)}')
                # With `not <=`, a NaN difference fails.
                largest = float((values - outputs[key].clamp(0, 1)).abs().max())
                if not largest <= TOLERANCE:
                    found = f'{output} of the {format} file differs from PyTorch by {largest:.1e} for {_size(image)}'
                    raise ExportError(f'{name}: {found}: {FIXED_SIDES}')
                difference[output] = max(difference[output], largest)
    return Exported(path, metadata, difference)


def _restore(network: nn.Module, image: Tensor) -> dict[str, Tensor]:
    with torch.no_grad():
        return {key: value.float() for key, value in network(image, mode='tensor').items()}


def _images(count: int, height: int, width: int) -> Tensor:
    """Random images: smooth colours with a little noise, (count, 3, height, width) in [0, 1]."""
    generator = torch.Generator().manual_seed(height * 1000 + width)
    coarse = torch.rand(count, 3, 5, 5, generator=generator)
    noise = torch.rand(count, 3, height, width, generator=generator)
    return (0.9 * F.interpolate(coarse, (height, width), mode='bilinear') + 0.1 * noise).clamp(0, 1)


def _metadata(name: str, weights: Path | str | None, size: int, outputs: dict[str, Tensor]) -> dict[str, Any]:
    scale = next((value.shape[-1] // CHECKS[0][-1] for key, value in outputs.items() if key == 'image'), 1)
    return {
        'rainrestore': __version__,
        'name': name,
        'scale': scale,
        'trained_side': size,
        'smallest_side': SMALLEST_SIDE,
        'colour_order': 'RGB',
        'range': [0, 1],
        'layout': 'NCHW',
        'inputs': [INPUT],
        'outputs': list(outputs),
        'labels': list(LABELS) if 'F' in outputs and outputs['F'].shape[1] == len(LABELS) else [],
        'licence': _licence(weights),
    }


def _licence(weights: Path | str | None) -> str:
    """The licence of the weights, from the zoo or the file."""
    if weights is None:
        return 'none needed: no weights'
    if str(weights).startswith(ZOO_SCHEME):
        return zoo_entry(str(weights))['Licence']
    return str(load_checkpoint(weights).get('meta', {}).get('licence', 'not stated'))


def _write_onnx(recorded: _Recorded, names: Sequence[str], path: Path, metadata: dict[str, Any]) -> None:
    batch = torch.export.Dim('batch', min=1, max=65536)
    height, width = (torch.export.Dim(side, min=RECORDED_FROM, max=8192) for side in ('height', 'width'))
    with warnings.catch_warnings(), torch.no_grad():
        # The exporter calls deprecated functions.
        warnings.simplefilter('ignore')
        try:
            program = torch.onnx.export(
                recorded,
                (torch.rand(RECORDED),),
                dynamo=True,
                opset_version=20,
                input_names=[INPUT],
                output_names=list(names),
                dynamic_shapes={INPUT: {0: batch, 2: height, 3: width}},
                verbose=False,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            reason = ' '.join(str(error.__cause__ or error).split())[:300]
            raise ExportError(f'{metadata["name"]} cannot be written as ONNX ({reason}); try torchscript') from error
    assert program is not None
    program.model.metadata_props.update({
        key: value if isinstance(value, str) else json.dumps(value) for key, value in metadata.items()
    })  # fmt: skip
    program.save(path, external_data=False)


def _load_onnx(path: Path) -> Runner:
    onnxruntime = optional_import('onnxruntime', 'Export to ONNX', EXTRA)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=['CPUExecutionProvider'])
    state = onnxruntime.capi.onnxruntime_pybind11_state

    def run(image: Tensor) -> list[Tensor]:
        try:
            return [torch.from_numpy(value) for value in session.run(None, {INPUT: image.numpy()})]
        except (state.Fail, state.InvalidArgument, state.RuntimeException) as error:
            # Errors of onnxruntime have no common base class. TorchScript raises RuntimeError.
            raise RuntimeError(str(error)) from error

    return run


def _write_torchscript(recorded: _Recorded, names: Sequence[str], path: Path, metadata: dict[str, Any]) -> None:
    with warnings.catch_warnings(), torch.no_grad():
        # Warnings about recorded branches. The check detects branches that depend on the input.
        warnings.simplefilter('ignore')
        script = torch.jit.trace(recorded, torch.rand(RECORDED), check_trace=False)
        _follow_input(script)
        torch.jit.save(script, path, _extra_files={METADATA_FILE: json.dumps(metadata)})


def _follow_input(script: Any) -> None:
    """Use the device of the input for tensors that the network creates, such as positions.

    A trace contains the device of the recording as a constant.
    """
    for part in script.modules():
        if not part._c._has_method('forward'):
            continue
        graph: Any = part.graph
        for constant in graph.findAllNodes('prim::Constant'):
            if constant.output().type().kind() == 'DeviceObjType':
                tensor = next(value for value in graph.inputs() if value.type().kind() == 'TensorType')
                device = graph.create('prim::device', [tensor], 1)
                device.output().setType(constant.output().type())
                device.insertBefore(constant)
                constant.output().replaceAllUsesWith(device.output())
                constant.destroy()


def _load_torchscript(path: Path) -> Runner:
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', DeprecationWarning)
        return torch.jit.load(path)


def _run(run: Runner, image: Tensor, name: str) -> Sequence[Tensor]:
    try:
        with torch.no_grad():
            return run(image)
    except RuntimeError as error:
        reason = ' '.join(str(error).split())[-200:]
        raise ExportError(f'{name}: the file fails for {_size(image)} ({reason}): {FIXED_SIDES}') from error


def _size(image: Tensor) -> str:
    count, _, height, width = image.shape
    return f'{count} images of {width}x{height}'
