"""Tests of mmciss.evaluation.contact_sheet."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from mmciss.evaluation.contact_sheet import colorize, contact_sheet, palette_of, picture_grid, read_samples
from mmciss.evaluation.run_record import read_run
from tests.evaluation.synthetic_run import write_run


def test_a_row_per_image_and_a_column_per_step(tmp_path: Path) -> None:
    record = read_run(write_run(tmp_path / 'run', samples=2))
    samples = read_samples(record)
    assert [item.step for item in samples] == list(range(6))
    figure = contact_sheet(samples, record.last)
    assert len(figure.axes) == 2 * (2 + 6)
    assert [axes.get_title(loc='center') for axes in figure.axes[:4]] == ['image', 'ground truth', 'step 0', 'step 1']
    assert figure.axes[0].images[0].get_array().shape == (36, 48, 3)  # Without the padding below.
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ['aeroplane', 'bicycle', 'train', 'tvmonitor', 'background']
    truth, first, last = (figure.axes[column].images[0].get_array() for column in (1, 2, 7))
    np.testing.assert_array_equal(truth, last)
    assert not np.array_equal(truth, first)  # Step 0 cannot know tvmonitor.


def test_the_legend_names_what_is_no_class() -> None:
    image, label = np.full((4, 4, 3), 100, np.uint8), np.array([[0, 1, 255, 255]] * 4, np.uint8)
    colors = palette_of({'palette': [[0, 0, 0], [200, 100, 0]]})
    for background, expected in ((True, ['a', 'background', 'ignored']), (False, ['background', 'a', 'ignored'])):
        figure = picture_grid([(image, [label])], ('image', 'labels'), ['background', 'a'], colors, background)
        assert [text.get_text() for text in figure.legends[0].get_texts()] == expected
        shown = [patch.get_facecolor()[:3] for patch in figure.legends[0].get_patches()]
        painted = figure.axes[1].images[0].get_array()[0] / 255
        np.testing.assert_allclose(shown[expected.index('ignored')], painted[2])
        assert len(set(shown)) == 3, 'void and background look different'


@pytest.mark.parametrize('across', [1, 2, 3])
def test_images_beside_each_other_keep_their_shape_and_nothing_is_cut(across: int) -> None:
    shapes = [(30, 40), (40, 30), (20, 40), (30, 30), (30, 40)]
    rows = [
        (np.full((*shape, 3), 100, np.uint8), [np.full(shape, 1 + k % 3, np.uint8)]) for k, shape in enumerate(shapes)
    ]
    names = ['background', 'a', 'a class whose name has many letters', 'traffic light, ' * 20]
    captions = ['short.png', *(f'{"long_" * 40}{number}.png' for number in range(4))]
    figure = picture_grid(rows, ('image', 'labels'), names, palette_of({}), True, 2.0, across, captions)
    figure.draw_without_rendering()
    page = figure.bbox.padded(1)
    pictures = [axes for axes in figure.axes if axes.images]
    assert len(pictures) == 2 * len(rows)
    for axes in pictures:
        height, width = axes.images[0].get_array().shape[:2]
        assert axes.get_window_extent().height / axes.get_window_extent().width == pytest.approx(
            height / width, rel=0.1
        )
    texts = [*(axes.xaxis.label for axes in pictures[::2]), *figure.legends[0].get_texts()]
    boxes = [text.get_window_extent() for text in texts]
    assert all(page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 for box in boxes)
    assert not any(one.overlaps(two) for one, two in itertools.combinations(boxes, 2))
    shown = [text.get_text() for text in texts]
    assert shown[:2] == ['short.png', f'…{captions[1][-len(shown[1]) + 1 :]}']
    tops = [axes.get_window_extent().y1 for axes in pictures[::2]]
    assert len({round(top) for top in tops}) == -(-len(rows) // across)


def test_damaged_samples_are_skipped(tmp_path: Path) -> None:
    folder = write_run(tmp_path / 'run', samples=1, finished=3)
    (folder / 'step_1' / 'samples.npz').write_bytes(b'PK\x03\x04 cut off')
    (folder / 'step_2' / 'samples.npz').unlink()
    assert [item.step for item in read_samples(read_run(folder))] == [0]


def test_colours() -> None:
    colors = palette_of({'classes': ['background', 'a'], 'palette': [[0, 0, 0], [200, 100, 0]]})
    assert colors.shape == (256, 3) and colors[1].tolist() == [200, 100, 0] and colors[2].tolist() == [0, 128, 0]
    photograph = np.full((1, 3, 3), 100, np.uint8)
    channels = np.array([[0, 1, 255]], np.uint8)
    got = colorize(channels, photograph, colors, strength=0.8)
    assert got[0].tolist() == [[45, 45, 45], [180, 100, 20], [255, 255, 255]]
    assert colorize(channels, photograph, colors, background=False)[0, 0].tolist() == [20, 20, 20]
