"""Restore files to a folder atomically, and skip files that an earlier run has finished."""

import errno
import glob
import hashlib
import itertools
import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal, Protocol, TextIO

import numpy as np

from rainrestore.apis.kinds import VIDEO_SUFFIXES, find_inputs, kind_of, video_suffix
from rainrestore.apis.photos import PhotoRestorer
from rainrestore.apis.video import restore_video
from rainrestore.arguments import checked
from rainrestore.errors import ConfigError, ImageError, ImageFileError, OptionError, WriteError
from rainrestore.files import sha256_of, whole_file
from rainrestore.image_io import IMAGE_SUFFIXES, Photo, check_regular, encode_png, read_photo

RESTORED = 'restored'
#: The faces of a photo, in the size of the network's output.
FACES = 'faces'
#: The photo with marked faces, not restored.
PREVIEW = 'preview'
SHEETS = 'sheets'
PHYSICS = ('J', 'S', 'T', 'A')
#: The finished parts of an unfinished video.
PARTS = '.parts'
MANIFEST = 'manifest.jsonl'
#: End of a message about a video.
VIDEO_TASKS = 'only the tasks faces and renovate, without --aligned and --preview, restore videos'
#: Greatest number of values in a batch of images, because photos may be large.
MAX_VALUES = 64_000_000
#: Errors after which no other file can be written.
FATAL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


class ImageResult(Protocol):
    """The result for one image: a :class:`~rainrestore.apis.Restoration`, or the result for a whole photo."""

    def files(self, kind: str) -> dict[str, np.ndarray | None]:
        """Suffix of the file name -> pixels, or None if the model does not predict them; see ``Restoration.files``."""

    def record(self) -> dict[str, Any]:
        """Further values for the manifest, JSON-serialisable: ``notes`` (shown), ``faces`` (counted unless their
        ``weight`` is 0) and ``found``, the number of faces in the photo."""


class ImageRestorer(Protocol):
    """A :class:`~rainrestore.apis.Restorer` or a :class:`~rainrestore.apis.PhotoRestorer`."""

    fingerprint: str

    def restore(self, images: Sequence[np.ndarray], names: Sequence[str]) -> Sequence[ImageResult]:
        """Restore H x W x 3 uint8 RGB images; ``names`` are their paths.

        Raises:
            ImageError: An image cannot be restored.
        """


@dataclass(frozen=True)
class FilePlan:
    """The images to restore and the paths of their results.

    Attributes:
        out: The folder for the results.
        sources: Path of the result, relative to ``out/restored`` -> image or video.
        unlisted: Folder or file that cannot be read -> reason.
        others: Files of the folders that are neither images nor, if they were included, videos.
        earlier: Sub-folders with results of an earlier run, which are no inputs.
    """

    out: Path
    sources: dict[str, Path]
    unlisted: dict[Path, str] = field(default_factory=dict)
    others: tuple[Path, ...] = ()
    earlier: tuple[Path, ...] = ()


@dataclass(frozen=True)
class _Read:
    """An image in memory, or a video without its frames, and the name of its results."""

    name: str
    source: Path
    digest: str
    photo: Photo = field(default_factory=lambda: Photo(np.empty(0)))


@dataclass(frozen=True)
class _Job:
    """A call of :func:`restore_files`.

    Attributes:
        restorer: Restores the images.
        out: The folder for the results.
        kinds: The kinds of results.
        inputs: Device and inode of the inputs, to protect them.
        done: The lines of the manifest before this call.
        log: The manifest.
    """

    restorer: ImageRestorer
    out: Path
    kinds: Sequence[str]
    inputs: frozenset[tuple[int, int]]
    done: Mapping[tuple[str, str], dict[str, Any]]
    log: TextIO


@dataclass(frozen=True)
class FileOutcome:
    """The outcome for one image or video.

    Attributes:
        source: The file.
        state: ``restored`` now, ``done`` by an earlier run, or ``failed``.
        reason: The reason of a failure.
        notes: Notes on the result.
        faces: Number of faces restored now.
        found: Number of faces in the photo; None if the input is no photo or could not be searched.
    """

    source: Path
    state: Literal['restored', 'done', 'failed']
    reason: str = ''
    notes: tuple[str, ...] = ()
    faces: int = 0
    found: int | None = None


@checked
def plan_files(inputs: Sequence[str | Path], out: str | Path, videos: bool = False) -> FilePlan:
    """Find the images, and with ``videos`` the videos, and determine the paths of their results.

    Args:
        inputs: Files, folders or patterns. A folder stands for all images in it and in its sub-folders, recognised by
            suffix or content, without hidden files, linked sub-folders, ``out`` and the results of earlier runs. A
            name with ``*``, ``?`` or ``[`` is a pattern, unless a file or folder has this name.
        out: Folder for the results. The result for ``TOP/DIR/a.jpg`` is ``out/restored/DIR/a.png``, where ``TOP`` is
            the common folder of all inputs; if several results would have this name, it is ``DIR/a.jpg.png``. The
            result for ``a.webm`` is ``a.mkv``.
        videos: Whether to include videos.

    Raises:
        ConfigError: An input does not exist, or is a video without ``videos``; there are no images; ``out`` is a file
            or has the suffix of a file; or a result would overwrite an input.
    """
    out = Path(out)
    suffixes = (*IMAGE_SUFFIXES, *(VIDEO_SUFFIXES if videos else ()))
    if not os.path.isdir(out) and (os.path.lexists(out) or out.suffix.lower() in suffixes):
        raise ConfigError(f'{out}: the output must be a folder, existing or new')
    unlisted: dict[Path, str] = {}

    def unlistable(error: OSError) -> None:
        unlisted[Path(error.filename)] = f'cannot be listed ({error.strerror})'

    found: dict[Path, Path] = {}
    others: list[Path] = []
    earlier: dict[Path, None] = {}
    tops = []
    for name in _expanded(inputs):
        if os.path.isdir(name):
            if os.path.realpath(name) == os.path.realpath(out):
                raise ConfigError(f'{out}: is an input; choose another folder for the results')
            paths, neither = find_inputs(name, videos, [out], unlistable)
            made = {path: folder for path in paths + neither if (folder := _results_folder(path, name))}
            earlier.update(dict.fromkeys(made.values()))
            paths, neither = ([path for path in kept if path not in made] for kept in (paths, neither))
            others += neither
            tops.append(Path(os.path.realpath(name)))
        else:
            if not videos and kind_of(Path(name)) == 'video':
                raise _is_video(name)
            paths = [name]
            tops.append(_location(name).parent)
        found.update({_location(path): path for path in paths})
    if not found and not unlisted and earlier:
        raise ConfigError(f'{next(iter(earlier))}: contains only results of an earlier run')
    if not found and not unlisted:
        if (clip := next((path for path in others if kind_of(path) == 'video'), None)) is not None:
            raise _is_video(clip)
        kinds = 'images or videos' if videos else 'images'
        raise ConfigError(f'{", ".join(map(str, inputs))}: contains no {kinds} ({", ".join(suffixes)})')
    top = Path(os.path.commonpath(tops))
    names = _result_names({path: place.relative_to(top).as_posix() for place, path in found.items()}, videos)
    plan = FilePlan(out, names, unlisted, tuple(others), tuple(earlier))
    _spare_inputs(plan)
    return plan


@checked
def restore_files(
    restorer: ImageRestorer,
    plan: FilePlan,
    *,
    batch: int = 16,
    kinds: Sequence[str] = (RESTORED, FACES),
    physics: bool = False,
    sheets: bool = False,
    on_frame: Callable[[int, int], object] | None = None,
) -> Iterator[FileOutcome]:
    """Restore the unfinished images and videos of a plan, and yield the outcome of each.

    The results for an image NAME, in ``plan.out``:

    - ``restored/NAME.png``;
    - with ``physics``: ``J/NAME.png`` (8 bits), ``S/``, ``T/`` and ``A/`` (16 bits, value / 65535);
    - with ``sheets``: ``sheets/NAME.png``, a row of input, face and maps.

    For a whole photo, ``restored`` is the photo. Its faces are ``faces/NAME/0.png`` and so on; their maps have the same
    names. For a video there is only ``restored``; :func:`~rainrestore.apis.restore_video` stores its parts in
    ``.parts/NAME`` until it is complete.

    Each file is written atomically. When all files of an image are written, a line is added to ``manifest.jsonl``: its
    source, the fingerprint of the model, and the SHA-256 of the source and of each file. An image is done if a line
    matches the current source, files and model. If an image cannot be read or restored, its outcome is a failure, no
    file is written for it, and the other images are not affected.

    Args:
        restorer: Restores the images.
        plan: See :func:`plan_files`.
        batch: Greatest number of images per call of ``restorer``.
        kinds: Kinds of results, such as ``(PREVIEW,)`` with a :class:`~rainrestore.apis.PhotoPreview`. An image is done
            only if a file of the first kind exists.
        physics: Whether to write the maps of the rain model.
        sheets: Whether to write the sheets.
        on_frame: The argument ``progress`` of :func:`~rainrestore.apis.restore_video`.

    Raises:
        ConfigError: The folder cannot be written: it is read-only, or the disk is full. Finished files are kept.
        OptionError: ``batch`` below 1, or no ``kinds``.
    """
    if batch < 1 or not kinds:
        raise OptionError(f'batch must be at least 1, kinds must name a kind, got {batch} and {list(kinds)}')
    kinds = (*kinds, *(PHYSICS if physics else ()), *((SHEETS,) if sheets else ()))
    inputs = frozenset(identity for source in plan.sources.values() if (identity := _identity(source)))
    for path, reason in plan.unlisted.items():
        yield FileOutcome(path, 'failed', reason)
    manifest = plan.out / MANIFEST
    try:
        plan.out.mkdir(parents=True, exist_ok=True)
        log = _open_to_append(manifest)
    except OSError as error:
        path = error.filename or manifest
        raise ConfigError(f'{path}: cannot be written ({error.strerror or error}); choose another folder') from error
    job = _Job(restorer, plan.out, kinds, inputs, _read_manifest(manifest), log)
    waiting: list[_Read] = []
    with log:
        for name, source in plan.sources.items():
            clip = not name.endswith('.png')
            try:
                read = _Read(name, source, _source_digest(source))
                wanted = (RESTORED,) if clip else kinds
                entry = job.done.get((name, wanted[0]))
                finished = _is_done(job, entry, wanted, read.digest)
                if not finished:
                    _check_source(job, entry, read)
                    if not clip:
                        waiting.append(replace(read, photo=read_photo(source)))
            except Exception as error:  # noqa: BLE001
                yield FileOutcome(source, 'failed', _reason(source, error))
                continue
            if finished and entry is not None:
                yield FileOutcome(source, 'done', notes=tuple(entry.get('notes', ())), found=entry.get('found'))
            elif clip:
                yield _restore_clip(job, read, on_frame)
            _check_manifest(job)
            if len(waiting) == batch or sum(read.photo.pixels.size for read in waiting) > MAX_VALUES:
                yield from _restore_and_write(job, waiting)
                waiting = []
        yield from _restore_and_write(job, waiting)
        _check_manifest(job)


def _check_manifest(job: _Job) -> None:
    """Check that the folder of the results still has the open manifest.

    Raises:
        ConfigError: It was removed, so results may be lost.
    """
    if not os.path.isfile(job.out / MANIFEST):
        raise ConfigError(f'{job.out / MANIFEST} was removed during the run; run the command again')


def _check_source(job: _Job, entry: Mapping[str, Any] | None, read: _Read) -> None:
    """Check that the result of another image does not have the name of this result.

    Raises:
        ImageFileError: The folder has the result of another image.
    """
    if entry is None:
        return
    result = job.out / entry['kinds'][0] / read.name
    other = str(entry.get('source', read.source))
    if result.exists() and Path(other).resolve() != read.source.resolve() and entry.get('source_sha256') != read.digest:
        raise ImageFileError(read.source, f'{result} is the result of {other}; choose another folder with --out')


def _restore_and_write(job: _Job, reads: Sequence[_Read]) -> Iterator[FileOutcome]:
    for read, result in zip(reads, _restore_each(job.restorer, reads), strict=True):
        if isinstance(result, ImageError):
            yield FileOutcome(read.source, 'failed', result.reason, found=result.found)
            continue
        try:
            record = result.record()
            several = [] if read.photo.single else ['has several frames or pages; only the first is restored']
            record = {**record, 'notes': [*record.get('notes', ()), *several]}
            written = _write(job, result, read)
            _write_line(job, read, job.kinds, written, record)
            _remove_outdated(job, read, written)
        except Exception as error:  # noqa: BLE001
            yield _failure(job, read.source, error)
        else:
            # A face with the weight 0 was not changed.
            faces = sum(face.get('weight', 1) > 0 for face in record.get('faces', [{}]))
            notes = tuple(record['notes'])
            yield FileOutcome(read.source, 'restored', notes=notes, faces=faces, found=record.get('found'))


def _restore_clip(job: _Job, read: _Read, on_frame: Callable[[int, int], object] | None) -> FileOutcome:
    if not isinstance(job.restorer, PhotoRestorer):
        return FileOutcome(read.source, 'failed', 'is a video; only a PhotoRestorer restores videos')
    name = f'{RESTORED}/{read.name}'
    try:
        target, parts = (_checked_target(job, target) for target in (name, f'{PARTS}/{read.name}'))
        result = restore_video(job.restorer, read.source, target, work=parts, progress=on_frame)
        with suppress(OSError):  # keeps folders that are not empty
            os.removedirs(parts.parent)
        _write_line(job, read, (RESTORED,), {name: sha256_of(target)}, result.record())
    except Exception as error:  # noqa: BLE001
        return _failure(job, read.source, error)
    return FileOutcome(read.source, 'restored', notes=result.notes, faces=result.faces)


def _failure(job: _Job, source: Path, error: Exception) -> FileOutcome:
    """The outcome for a file that could not be restored or written.

    Raises:
        ConfigError: No other file can be written.
    """
    if isinstance(error, OSError):
        if error.errno in FATAL:
            raise ConfigError(
                f'{error.filename or job.out}: cannot be written ({error.strerror or error}); finished files are kept: '
                'run the command again to restore the remaining files'
            ) from error
        if isinstance(error, WriteError):
            return FileOutcome(source, 'failed', f'its result {error.filename} cannot be written ({error.strerror})')
        place = error.filename or job.out / MANIFEST  # a write to the open manifest names no file
        return FileOutcome(source, 'failed', f'{place}: {error.strerror or error}')
    return FileOutcome(source, 'failed', _reason(source, error))


def _write_line(
    job: _Job, read: _Read, kinds: Sequence[str], written: Mapping[str, str | None], record: Mapping[str, Any]
) -> None:
    """Write the line of a finished image to the manifest."""
    line = {'name': read.name, 'source': str(read.source), 'source_sha256': read.digest, 'kinds': kinds,
            'sha256': written, 'model': job.restorer.fingerprint, **record}  # fmt: skip
    job.log.write(json.dumps(line) + '\n')
    job.log.flush()


def _is_video(path: Path) -> ConfigError:
    return ConfigError(f'{path}: is a video; {VIDEO_TASKS}')


def _expanded(inputs: Sequence[str | Path]) -> Iterator[Path]:
    if not inputs:
        raise ConfigError('no inputs: name a file, a folder or a pattern')
    for name in map(str, inputs):
        if not name.strip():
            raise ConfigError('an input is an empty text: name a file, a folder or a pattern')
        if os.path.lexists(name):
            yield Path(name)
            continue
        # A shell passes on a pattern without a match.
        matches = sorted(glob.glob(name, recursive=True)) if glob.has_magic(name) else []
        if not matches and '://' in name:
            raise ConfigError(f'{name}: is an address, not a file; download or record it first')
        if not matches:
            raise ConfigError(f'{name}: no such file or folder')
        yield from map(Path, matches)


def _results_folder(path: Path, top: Path) -> Path | None:
    """The folder from ``top`` on that has the file as one of its results; None for an input."""
    folders = list(path.relative_to(top).parents)[::-1]
    for folder, below in itertools.pairwise([*folders, path.relative_to(top)]):
        own = path == top / folder / MANIFEST or below.name in (RESTORED, FACES, PREVIEW, *PHYSICS, SHEETS, PARTS)
        if own and (top / folder / MANIFEST).is_file():
            return top / folder
    return None


def _location(path: Path) -> Path:
    """The path of a file with resolved folders; a link to a file is not resolved."""
    return Path(os.path.realpath(path.parent)) / path.name


def _result_names(named: Mapping[Path, str], videos: bool) -> dict[str, Path]:
    """Map input -> relative path to path of the result -> input, with paths that also differ if case is ignored.

    No result has the path of a folder of another result.
    """
    suffixes = {path: video_suffix(path) if videos and kind_of(path) == 'video' else '.png' for path in named}
    long = {path: f'{name}{suffixes[path]}' for path, name in named.items()}
    short = {path: f'{os.path.splitext(name)[0]}{suffixes[path]}' for path, name in named.items()}
    wanted: dict[str, set[Path]] = {}
    for names in (long, short):
        for path, name in names.items():
            wanted.setdefault(name.casefold(), set()).add(path)
    folders = {str(parent).casefold() for name in named.values() for parent in PurePosixPath(name).parents}

    def is_free(path: Path, name: str) -> bool:
        return wanted[name.casefold()] == {path} and name.casefold() not in folders

    return {(name if is_free(path, name) else long[path]): path for path, name in short.items()}


def _spare_inputs(plan: FilePlan) -> None:
    """Check that no result would overwrite an input, also through links."""
    inputs = {identity: source for source in plan.sources.values() if (identity := _identity(source))}
    results = [plan.out / kind / name for name in plan.sources for kind in (RESTORED, PREVIEW, *PHYSICS, SHEETS)]
    for result in (plan.out / MANIFEST, *results):
        source = inputs.get(_identity(result) or (0, 0))
        if source is not None:
            raise ConfigError(f'{result} would overwrite the input {source}; choose another folder for the results')


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def _source_digest(source: Path) -> str:
    check_regular(source)
    try:
        return sha256_of(source)
    except OSError as error:
        raise ImageFileError(source, f'cannot be read ({error.strerror})') from error


def _open_to_append(path: Path) -> TextIO:
    """Open a file to append lines. An incomplete last line is ended; a link is refused, for safety."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, 'O_NOFOLLOW', 0)
    handle = os.open(path, flags, 0o644)
    os.lseek(handle, max(os.fstat(handle).st_size - 1, 0), os.SEEK_SET)
    ended = os.read(handle, 1) in (b'', b'\n')
    log = os.fdopen(handle, 'a', encoding='utf-8')
    if not ended:
        log.write('\n')
    return log


def _read_manifest(path: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """Name and first kind -> the last such line in the manifest. Invalid lines (incomplete, edited) are ignored."""
    entries = {}
    for line in path.read_text(encoding='utf-8', errors='replace').splitlines():
        with suppress(ValueError, RecursionError):
            match json.loads(line):
                case {'name': str(name), 'kinds': [kind, *_], 'sha256': {}} as entry:
                    entries[name, str(kind)] = entry
    return entries


def _is_done(job: _Job, entry: Mapping[str, Any] | None, kinds: Sequence[str], digest: str) -> bool:
    """Whether a line of the manifest matches the current source, model and files."""
    if entry is None or entry.get('source_sha256') != digest or entry.get('model') != job.restorer.fingerprint:
        return False
    if not set(kinds) <= set(map(str, entry['kinds'])):
        return False
    files = {target: digest for target, digest in entry['sha256'].items() if target.partition('/')[0] in kinds}
    try:
        # None: the model does not predict this map.
        whole = all(digest is None or sha256_of(job.out / target) == digest for target, digest in files.items())
    except OSError:
        return False
    return whole and f'{kinds[0]}/{entry["name"]}' in files


def _restore_each(restorer: ImageRestorer, reads: Sequence[_Read]) -> list[ImageResult | ImageError]:
    """The result or the error of each image; after an error, the images of a batch are restored one by one."""
    if not reads:
        return []
    try:
        return list(restorer.restore([read.photo.pixels for read in reads], [str(read.source) for read in reads]))
    except Exception as error:  # noqa: BLE001
        if len(reads) == 1:
            source = reads[0].source
            return [error if isinstance(error, ImageError) else ImageError(str(source), _reason(source, error))]
    return [result for read in reads for result in _restore_each(restorer, [read])]


def _write(job: _Job, result: ImageResult, read: _Read) -> dict[str, str | None]:
    """Write the files of one image; returns target -> SHA-256, None for a map that the network does not predict."""
    stem, suffix = os.path.splitext(read.name)
    files = {
        f'{kind}/{stem}{part}{suffix}': (
            pixels if pixels is None or kind not in (RESTORED, FACES) else read.photo.as_given(pixels, kind == FACES)
        )
        for kind in job.kinds
        for part, pixels in result.files(kind).items()
    }
    paths = {target: _checked_target(job, target) for target in files}
    written: dict[str, str | None] = dict.fromkeys(files)
    for target, pixels in files.items():
        if pixels is not None:
            data = encode_png(pixels)
            with whole_file(paths[target]) as temporary:
                temporary.write_bytes(data)
            written[target] = hashlib.sha256(data).hexdigest()
    return written


def _remove_outdated(job: _Job, read: _Read, written: Mapping[str, str | None]) -> None:
    """Remove the files of an earlier result that the new one lacks, such as the fifth of now four faces.

    A file that was changed since is kept.
    """
    entry = job.done.get((read.name, job.kinds[0]), {'sha256': {}})
    for target, digest in entry['sha256'].items():
        if digest is not None and target not in written and target.partition('/')[0] in job.kinds:
            with suppress(FileNotFoundError):
                path = _checked_target(job, target)
                if sha256_of(path) == digest:
                    path.unlink()


def _checked_target(job: _Job, target: str) -> Path:
    """The path of a target, which must be inside the folder of the results and no input."""
    path = job.out / target
    if not Path(os.path.realpath(path.parent)).is_relative_to(os.path.realpath(job.out)):
        raise WriteError(errno.ELOOP, f'a link leads out of {job.out}', str(path))
    if _identity(path) in job.inputs:
        raise WriteError(errno.EEXIST, 'it is an input', str(path))
    return path


def _reason(source: Path, error: Exception) -> str:
    """The reason of a failure. The traceback of an unexpected error is logged at level DEBUG."""
    if isinstance(error, (ImageError, ImageFileError)):
        return error.reason
    logging.getLogger(__name__).debug('%s', source, exc_info=error)
    return f'{type(error).__name__}: {error}'
