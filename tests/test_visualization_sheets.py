from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.structures import BaseDataElement
from PIL import Image

from rainrestore.labels import PALETTE, label_names
from rainrestore.visualization import (
    RestorationSheetHook,
    image_grid,
    image_sheet,
    parsing_image,
    sample_images,
    sheet_rows,
    to_image,
)

RED, BLUE = (255, 0, 0), (0, 0, 255)


def plain(colour, side=16):
    return np.full((side, side, 3), colour, dtype=np.uint8)


def contains(grid, colour):
    return int((grid == np.array(colour)).all(-1).sum())


def test_every_image_fills_its_own_cell_in_order():
    grid = image_grid([[plain(RED), plain(BLUE)]], ['first', 'second'], cell=32)
    assert contains(grid, RED) == contains(grid, BLUE) == 32 * 32
    red_columns = np.where((grid == RED).all(-1).any(0))[0]
    blue_columns = np.where((grid == BLUE).all(-1).any(0))[0]
    assert red_columns.max() < blue_columns.min()


def test_empty_cells_short_rows_and_oblong_images_are_drawn():
    oblong = np.full((8, 16, 3), RED, dtype=np.uint8)
    grid = image_grid([[None, plain(BLUE)], [oblong]], ['a', 'b'], cell=32)
    assert contains(grid, BLUE) == 32 * 32
    assert contains(grid, RED) == 32 * 16


def test_long_titles_stay_in_their_column():
    untitled = image_grid([[plain(RED, 64), plain(RED, 64)]], ['', ''], cell=64)
    titled = image_grid([[plain(RED, 64), plain(RED, 64)]], ['a title too long for it', ''], cell=64)
    assert (untitled < 50).all(-1).sum() == 0
    dark = np.where((titled.max(-1) < 150).any(0))[0]
    assert len(dark)
    assert dark.max() < 64 + 2 * 4


@pytest.mark.parametrize('cell', [16, 128])
def test_every_sheet_with_a_parsing_has_a_legend_below(cell):
    plain_sheet = image_grid([[plain(RED)]], ['restored'], cell=cell)
    sheet = image_grid([[plain(RED), plain(RED)]], ['restored', 'parsing F'], cell=cell)
    legend = sheet[len(plain_sheet) :]
    assert legend.shape[1] == sheet.shape[1] and not (plain_sheet == PALETTE[5]).all(-1).any()
    rows = [int((legend == colour).all(-1).any(1).argmax()) for colour in PALETTE[1:]]
    assert rows == sorted(rows) and all((legend == colour).all(-1).sum() == 121 for colour in PALETTE[1:])


def test_labels_are_words():
    assert label_names([0, 4, 5, 12]) == ['background', 'left eye', 'right eye', 'lower lip']


def test_sheet_is_written_into_a_new_folder(tmp_path):
    path = image_sheet([[plain(RED)]], ['red'], tmp_path / 'new' / 'sheet.png', ['row'], cell=16)
    assert path == tmp_path / 'new' / 'sheet.png'
    assert contains(np.asarray(Image.open(path)), RED) == 16 * 16
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ('rows', 'titles', 'names', 'message'),
    [
        ([], ['a'], None, 'at least one row'),
        ([[None, None]], ['a'], None, '2 images under 1 titles'),
        ([[None]], ['a'], ['x', 'y'], '2 row titles for 1 rows'),
        ([[np.zeros((4, 4, 3))]], ['a'], None, "column 'a'.*float64"),
        ([[np.zeros((4, 4), np.uint8)]], ['a'], None, r'H x W x 3'),
    ],
)
def test_invalid_sheet_is_refused(rows, titles, names, message):
    with pytest.raises(ValueError, match=message):
        image_grid(rows, titles, names)


def test_red_stays_red_and_one_channel_becomes_grey():
    red = torch.zeros(3, 4, 4)
    red[0] = 1
    assert (to_image(red) == RED).all()
    assert (to_image((red * 255).to(torch.uint8)) == RED).all()
    assert (to_image(torch.full((1, 4, 4), 0.2)) == 51).all()


def test_parsing_has_the_colour_of_the_likeliest_label():
    scores = torch.zeros(19, 1, 2)
    scores[4, 0, 0] = scores[13, 0, 1] = 0.6
    assert (parsing_image(scores)[0] == PALETTE[[4, 13]]).all()
    assert (parsing_image(torch.ones(3, 2, 2)) == 255).all()


def prediction(name='a', **output):
    sample = BaseDataElement(metainfo={'name': name}, gt_img=torch.full((3, 16, 16), 200, dtype=torch.uint8))
    sample.output = BaseDataElement(**output)
    return sample


def test_row_shows_the_predictions_at_the_size_of_the_ground_truth():
    sample = prediction(
        pred_img=torch.full((3, 16, 16), 99.6),
        streak=torch.zeros(3, 4, 4),
        transmission=torch.full((1, 4, 4), 0.4),
        airlight=torch.full((3, 1, 1), 0.8),
        parsing=torch.zeros(19, 4, 4),
    )
    images = sample_images(torch.full((3, 4, 4), 7, dtype=torch.uint8), sample.to_dict())
    assert list(images) == [
        'input I', 'restored', 'ground truth', 'rain S', 'transmission T', 'airlight A', 'parsing F',
    ]  # fmt: skip
    assert {image.shape for image in images.values()} == {(16, 16, 3)}
    values = {title: int(image.max()) for title, image in images.items()}
    assert values == {'input I': 7, 'restored': 100, 'ground truth': 200, 'rain S': 0, 'transmission T': 102,
                      'airlight A': 204, 'parsing F': 0}  # fmt: skip


def test_empty_columns_are_omitted():
    samples = [prediction('a', lr_img=torch.zeros(3, 4, 4)).to_dict(), prediction('b').to_dict()]
    rows, titles, names = sheet_rows([None, None], samples)
    assert titles == ['ground truth', 'small face J']
    assert names == ['a', 'b']
    assert rows[1][1] is None


class FakeRunner:
    iter = 42

    def __init__(self):
        self.shown = []
        self.visualizer = self
        self.val_dataloader = self.test_dataloader = SimpleNamespace(dataset=range(8))

    def add_image(self, name, image, step):
        self.shown.append((name, image.shape, step))


def test_hook_shows_the_first_faces_of_each_validation():
    hook, runner = RestorationSheetHook(images=3, cell=16), FakeRunner()
    batch = {'inputs': [torch.zeros(3, 4, 4, dtype=torch.uint8)] * 2}
    for _ in range(2):
        hook.before_val_epoch(runner)
        for index in range(4):
            outputs = [prediction(f'{index}', pred_img=torch.zeros(3, 16, 16)) for _ in range(2)]
            hook.after_val_iter(runner, index, batch, outputs)
        hook.after_val_epoch(runner)
    names, shapes, steps = zip(*runner.shown, strict=True)
    assert names == ('val/faces',) * 2
    assert steps == (42, 42)
    assert shapes[0] == shapes[1]
    assert shapes[0][0] in range(3 * 20, 3 * 20 + 40)


def test_hook_writes_the_sheet_of_a_test(tmp_path):
    hook = RestorationSheetHook(images=2, path=str(tmp_path / 'sheet.png'), cell=16)
    hook.before_test_epoch(None)
    hook.after_test_iter(None, 0, {'inputs': torch.zeros(1, 3, 4, 4)}, [prediction(pred_img=torch.zeros(3, 16, 16))])
    hook.after_test_epoch(FakeRunner())
    assert Image.open(tmp_path / 'sheet.png').size[1] > 16


def test_validation_without_images_shows_nothing():
    hook, runner = RestorationSheetHook(), FakeRunner()
    hook.before_val_epoch(runner)
    hook.after_val_epoch(runner)
    assert runner.shown == []
