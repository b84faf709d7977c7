"""Weights of facexlib's networks, from a local file or facexlib's download."""

from pathlib import Path
from typing import Any
from urllib.error import URLError

from torch import nn

from rainrestore.errors import CheckpointError
from rainrestore.optional import optional_import
from rainrestore.torch_files import read_torch_file

RELEASES = 'https://github.com/xinntao/facexlib/releases'


def load_facexlib(network: nn.Module, release: str, file: str, weights: str | Path | None, option: str) -> None:
    """Load the published weights into a network of facexlib.

    Args:
        network: The network to load into.
        release: Tag of the facexlib release that contains ``file``.
        file: Name of the published file.
        weights: Path of a local copy; None downloads the file to facexlib's cache.
        option: The option that sets the path of a local copy, for the message of a failed download.

    Raises:
        CheckpointError: The file is missing, cannot be downloaded, or contains weights of another network.
        MissingPackageError: facexlib is not installed.
    """
    path = _download(release, file, option) if weights is None else Path(weights).expanduser()
    name, source = type(network).__name__, f'{RELEASES}/tag/{release}'
    if not path.is_file():
        raise CheckpointError(f'{path}: no such file; the weights of {name} are at {source}')
    # Passed as a stream: given a path, torch.load accepts only the newer of its two formats.
    with path.open('rb') as stream:
        state = read_torch_file(stream, 'cpu')
    try:
        # Some of the files were saved from a DataParallel wrapper.
        network.load_state_dict({key.removeprefix('module.'): value for key, value in state.items()})
    except (RuntimeError, AttributeError, TypeError) as error:
        raise CheckpointError(f'{path} does not contain the weights of {name} ({str(error)[:200]})') from error


def _download(release: str, file: str, option: str) -> Path:
    utils: Any = optional_import('facexlib.utils', file)
    try:
        return Path(utils.load_file_from_url(f'{RELEASES}/download/{release}/{file}', 'facexlib/weights'))
    except (URLError, OSError) as error:
        raise CheckpointError(
            f'{file} cannot be downloaded ({error}): get it from {RELEASES}/tag/{release} and set {option}'
        ) from error
