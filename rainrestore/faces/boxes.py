"""Faces that a person has marked: a table in a file."""

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rainrestore.errors import ConfigError
from rainrestore.faces.alignment import FaceCrop

BOX = ('left', 'top', 'right', 'bottom')
LANDMARKS = ('left_eye_x', 'left_eye_y', 'right_eye_x', 'right_eye_y', 'mouth_x', 'mouth_y')
CROP = ('x', 'y', 'side', 'angle')

_KINDS: dict[tuple[str, ...], Callable[[Sequence[float]], FaceCrop]] = {
    BOX: FaceCrop.from_box,
    LANDMARKS: lambda values: FaceCrop.from_landmarks(values[:2], values[2:4], values[4:]),
    CROP: lambda values: FaceCrop(*values),
}


def read_boxes(path: str | Path) -> dict[Path, list[FaceCrop]]:
    """Read a CSV file whose first line names its columns, and which has a line a face.

    Columns: ``file``, a path from the folder of the CSV file; and either ``left,top,right,bottom``, the box of an
    upright face from above the brows to below the chin; or ``left_eye_x,left_eye_y,right_eye_x,right_eye_y,mouth_x,
    mouth_y``, the middles of the eyes (left and right in the picture) and of the mouth, for a face that is turned; or
    ``x,y,side,angle``, the crop itself. In pixels of the photo as it is seen; the first reaches from 0 to 1.

    Returns:
        Resolved path -> its faces.

    Raises:
        ConfigError: no such file, other columns, or a line that is no face; names the line.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding='utf-8-sig')
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f'--boxes {path}: cannot be read ({getattr(error, "strerror", None) or error})') from error
    rows = csv.DictReader(text.splitlines(), skipinitialspace=True)
    columns = set(rows.fieldnames or ())
    kind = next((kind for kind in _KINDS if columns == {'file', *kind}), None)
    if kind is None:
        expected = ' or '.join(f'file,{",".join(kind)}' for kind in _KINDS)
        raise ConfigError(f'--boxes {path}: the first line is {expected}, got {",".join(rows.fieldnames or ())!r}')
    faces: dict[Path, list[FaceCrop]] = {}
    for row in rows:
        try:
            faces.setdefault(_file(row, path), []).append(_KINDS[kind]([float(row[column]) for column in kind]))
        except (ValueError, TypeError) as error:
            raise ConfigError(f'--boxes {path}, line {rows.line_num}: {error}') from error
    return faces


def _file(row: Mapping[str | None, str], path: Path) -> Path:
    if None in row or not row['file']:
        raise ValueError('expected a value for each column')
    return (path.parent / row['file']).resolve()
