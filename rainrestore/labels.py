"""The 19 labels of CelebAMask-HQ: names, colours, left-right pairs.

Order and colours are from the tools of the release (github.com/switchablenorms/CelebAMask-HQ, ``face_parsing``).
Left and right are from the person's view: the left eye is on the right side of the image.
"""

from collections.abc import Iterable

import numpy as np

LABELS: tuple[str, ...] = (
    'background', 'skin', 'nose', 'glasses', 'l_eye', 'r_eye', 'l_brow', 'r_brow', 'l_ear', 'r_ear',
    'mouth', 'u_lip', 'l_lip', 'hair', 'hat', 'earring', 'necklace', 'neck', 'cloth',
)  # fmt: skip
NUM_LABELS = len(LABELS)

#: Pairs of labels to swap when a face is mirrored. ``u_lip`` and ``l_lip`` are the upper and the lower lip.
FLIP_PAIRS: tuple[tuple[int, int], ...] = ((4, 5), (6, 7), (8, 9))

#: Labels drawn in the bundled portraits (no glasses, ears, hair, hat, jewellery, neck or cloth).
PORTRAIT_LABELS: tuple[int, ...] = (0, 1, 2, 4, 5, 6, 7, 10, 11, 12)

#: RGB colour of each label, uint8, 19 x 3.
PALETTE: np.ndarray = np.array(
    [
        (0, 0, 0), (204, 0, 0), (76, 153, 0), (204, 204, 0), (51, 51, 255), (204, 0, 204), (0, 255, 255),
        (255, 204, 204), (102, 51, 0), (255, 0, 0), (102, 204, 0), (255, 255, 0), (0, 0, 153), (0, 0, 204),
        (255, 51, 153), (0, 204, 204), (0, 51, 0), (255, 153, 51), (0, 204, 0),
    ],
    dtype=np.uint8,
)  # fmt: skip
PALETTE.setflags(write=False)


#: Data set -> mean share of each label in the pixels of its train split
#: (``tools/dataset_converters/label_shares.py``).
LABEL_SHARES: dict[str, tuple[float, ...]] = {
    # The subset of 4,636 faces on which the models of the zoo were trained.
    'celebamask_hq': (
        0.284394, 0.254374, 0.020299, 0.002545, 0.002148, 0.002134, 0.004062, 0.003957, 0.004584, 0.003667,
        0.003082, 0.004069, 0.006654, 0.317911, 0.010028, 0.002306, 0.000155, 0.041185, 0.032447,
    ),
}  # fmt: skip


def label_names(labels: Iterable[int]) -> list[str]:
    """The names of labels in words, such as ``left eye`` for ``l_eye`` and ``lower lip`` for ``l_lip``."""
    sides = {'l': 'left', 'r': 'right', 'u': 'upper'}
    words = [['lower', 'lip'] if LABELS[label] == 'l_lip' else LABELS[label].split('_') for label in labels]
    return [' '.join(sides.get(word, word) for word in name) for name in words]


#: Label -> its label in the mirrored face.
_FLIP_TABLE = np.arange(256, dtype=np.uint8)
_FLIP_TABLE[np.array(FLIP_PAIRS)] = np.fliplr(FLIP_PAIRS)


def flip_labels(mask: np.ndarray) -> np.ndarray:
    """Mirror a label map left-right and swap the labels of left and right parts.

    Args:
        mask: H x W (any further axes are kept), uint8 labels 0..18.

    Returns:
        A new contiguous array of the same shape and type.
    """
    return _FLIP_TABLE[mask[:, ::-1]]
