"""Face positions from a CSV file."""

import csv
import re
from collections.abc import Callable, Sequence
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

#: The separator of the values, as Excel reads and writes it before the header.
_STATED = re.compile(r'"?sep=([,;\t])"?', re.IGNORECASE)


def read_boxes(path: str | Path) -> dict[Path, list[FaceCrop]]:
    """Read a CSV file with a header and one line per face.

    The columns are ``file``, a path relative to the folder of the CSV file, and one of these groups:

    - ``left,top,right,bottom``: the box of an upright face, from above the brows to below the chin;
    - ``left_eye_x,left_eye_y,right_eye_x,right_eye_y,mouth_x,mouth_y``: the centres of the eyes (left and right in the
      image) and of the mouth, also for a rotated face;
    - ``x,y,side,angle``: the crop.

    Coordinates are in pixels of the displayed photo; the first pixel extends from 0 to 1. As spreadsheets write them,
    semicolons or tabs between the values, commas in the numbers, and a first line such as ``sep=;`` are also read.

    Returns:
        Resolved path -> its faces.

    Raises:
        ConfigError: No such file, other columns, or an invalid line. The message names the line.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding='utf-8-sig')
    except OSError as error:
        raise ConfigError(f'--boxes {path}: cannot be read ({error.strerror or error})') from error
    except UnicodeDecodeError as error:
        raise ConfigError(f'--boxes {path}: is not UTF-8 text; save it as CSV in UTF-8') from error
    lines = text.splitlines()
    stated = _STATED.fullmatch(lines[0]) if lines else None
    header = 1 if stated else 0
    separator = stated[1] if stated else next((mark for mark in '\t;' if mark in ''.join(lines[:1])), ',')
    rows = csv.DictReader(lines[header:], skipinitialspace=True, delimiter=separator)
    try:
        columns = rows.fieldnames or ()
    except csv.Error as error:
        raise ConfigError(f'--boxes {path}, line {header + 1}: {error}') from error
    kind = next((kind for kind in _KINDS if sorted(columns) == sorted(('file', *kind))), None)
    if kind is None:
        expected = ' or '.join(f'file,{",".join(kind)}' for kind in _KINDS)
        raise ConfigError(f'--boxes {path}: line {header + 1} must be {expected}, got {",".join(columns)!r}')
    faces: dict[Path, list[FaceCrop]] = {}
    try:
        for row in rows:
            if None in row or None in row.values() or not row['file']:
                raise ValueError('expected a value for each column')
            file, values = (path.parent / row['file']).resolve(), [row[column] for column in kind]
            if separator != ',':
                values = [value.replace(',', '.') for value in values]
            faces.setdefault(file, []).append(_KINDS[kind]([float(value) for value in values]))
    except (ValueError, TypeError, csv.Error) as error:
        raise ConfigError(f'--boxes {path}, line {header + rows.reader.line_num}: {error}') from error
    return faces
