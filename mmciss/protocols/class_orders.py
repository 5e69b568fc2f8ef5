"""Every published class order, as data."""

from __future__ import annotations


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.replace('|', ' ').split()))


# The permutations of the VOC 15-1 protocol (PLOP's '15-5s_X', DKD's and SSUL's '15-1_X'): fifteen
# classes of the base step | the five that follow.
_VOC_15_1 = {
    'b': '12 9 20 7 15 8 14 16 5 19 4 1 13 2 11 | 17 3 6 18 10',
    'c': '13 19 15 17 9 8 5 20 4 3 10 11 18 16 7 | 12 14 6 1 2',
    'd': '15 3 2 12 14 18 20 16 11 1 19 8 10 7 17 | 6 5 13 9 4',
    'e': '7 5 3 9 13 12 14 19 10 2 1 4 16 8 17 | 15 18 6 11 20',
    'f': '7 13 5 11 9 2 15 12 14 3 20 1 16 4 18 | 8 6 10 19 17',
    'g': '7 5 9 1 15 18 14 3 20 10 4 19 11 17 16 | 12 8 6 2 13',
    'h': '12 9 19 6 4 10 5 18 14 15 16 3 8 7 11 | 13 2 20 17 1',
    'i': '13 10 15 8 7 19 4 3 16 12 14 11 5 20 6 | 2 18 9 17 1',
    'j': '1 14 9 5 2 15 8 20 6 16 18 7 11 10 19 | 3 4 17 12 13',
    'k': '16 13 1 11 12 18 6 14 5 3 7 9 20 19 15 | 4 2 10 8 17',
    'l': '10 7 6 19 16 8 17 1 14 4 9 3 15 11 12 | 2 18 20 13 5',
    'm': '18 4 14 17 12 10 7 3 9 1 8 15 6 13 2 | 5 11 20 16 19',
    'n': '5 4 13 18 14 10 19 15 7 9 3 2 8 16 20 | 1 12 11 6 17',
    'o': '9 12 13 18 7 1 15 17 10 8 4 5 20 16 6 | 14 19 11 2 3',
    'p': '9 12 13 18 2 11 15 17 10 8 4 5 20 16 6 | 14 19 1 7 3',
    'q': '3 14 13 18 2 11 15 17 10 8 4 5 20 16 6 | 12 19 1 7 9',
    'r': '3 14 13 1 2 11 15 17 7 8 4 5 9 16 19 | 12 6 18 10 20',
    's': '3 14 6 1 2 11 12 17 7 20 4 5 9 16 19 | 15 13 18 10 8',
    't': '3 15 13 1 2 11 18 17 7 20 8 5 9 16 19 | 14 6 12 10 4',
    'u': '3 15 13 14 6 11 18 17 7 20 8 4 9 16 10 | 1 2 12 19 5',
    'v': '1 2 12 14 6 19 18 17 5 20 8 4 9 16 10 | 3 15 13 11 7',
    'w': '1 2 12 14 13 19 18 7 11 20 8 4 9 16 10 | 3 15 6 5 17',
}

# MiB's order b, of which only the blocks are published: 50 + 50 + 5 x 10 classes. Within a block
# the classes are in ascending order, so '100-5' cuts the blocks of ten in a way no paper has used.
_ADE_B = (
    '1 9 14 18 22 24 25 27 28 29 32 38 42 45 46 47 48 49 54 56 58 61 62 63 69 74 75 76 77 81 82 '
    '84 90 93 96 100 103 104 109 117 119 121 123 128 129 130 134 135 136 144 | 3 5 6 8 10 12 13 '
    '19 21 23 26 31 33 34 36 39 40 43 44 53 55 57 60 70 71 80 86 87 91 95 99 101 105 106 107 '
    '113 116 120 125 126 131 132 133 140 142 143 147 148 149 150 | 11 16 50 64 66 73 89 92 145 '
    '146 | 30 37 51 52 72 85 98 114 115 138 | 2 35 65 97 110 111 112 118 124 141 | 4 7 15 41 67 '
    '78 79 88 108 139 | 17 20 59 68 83 94 102 122 127 137 '
)

# MiB's order c, published as one whole permutation: any protocol can be cut from it.
_ADE_C = (
    '74 19 119 79 77 32 65 142 69 83 111 13 37 10 20 57 105 70 56 133 30 128 27 129 132 146 109 '
    '144 46 31 23 16 66 12 43 147 52 28 5 33 143 86 87 17 11 82 134 138 76 110 97 106 67 1 123 '
    '68 29 41 45 61 124 25 26 24 95 40 96 118 48 98 114 34 139 102 63 85 149 54 6 94 112 50 36 '
    '81 78 35 115 8 44 71 99 121 84 135 136 90 9 14 120 126 4 18 39 73 137 7 113 101 3 64 55 '
    '127 51 116 47 140 62 148 80 60 92 42 59 91 49 89 108 125 22 58 145 130 38 141 2 53 131 104 '
    '100 117 88 75 122 150 21 72 107 15 93 103 '
)

CLASS_NAMES: dict[str, tuple[str, ...]] = {
    'voc': (
        'aeroplane',
        'bicycle',
        'bird',
        'boat',
        'bottle',
        'bus',
        'car',
        'cat',
        'chair',
        'cow',
        'diningtable',
        'dog',
        'horse',
        'motorbike',
        'person',
        'pottedplant',
        'sheep',
        'sofa',
        'train',
        'tvmonitor',
    ),
    'cityscapes': (
        'road',
        'sidewalk',
        'building',
        'wall',
        'fence',
        'pole',
        'traffic light',
        'traffic sign',
        'vegetation',
        'terrain',
        'sky',
        'person',
        'rider',
        'car',
        'truck',
        'bus',
        'train',
        'motorcycle',
        'bicycle',
    ),
}
"""Foreground class names by class number, as MMSegmentation writes them."""

ADE20K_START = ('wall', 'building', 'sky', 'floor', 'tree')
"""The first of the 150 names of ADE20K, which are enough to know it by."""

NUM_CLASSES = {'voc': 20, 'ade20k': 150, 'cityscapes': 19}
"""Foreground classes of the data sets whose orders are published."""

ORDERS: dict[str, dict[str, tuple[int, ...]]] = {
    'voc': {
        'a': tuple(range(1, 21)),
        '19-1b': (*range(1, 5), *range(6, 21), 5),
        **{letter: _numbers(text) for letter, text in _VOC_15_1.items()},
    },
    'ade20k': {'a': tuple(range(1, 151)), 'b': _numbers(''.join(_ADE_B)), 'c': _numbers(''.join(_ADE_C))},
    'cityscapes': {'a': tuple(range(1, 20))},
}
"""Class orders by data set and letter; 'a' is the natural one. Each is usable with any protocol."""


def recognise(class_names: tuple[str, ...]) -> str | None:
    """Returns the data set that has these foreground classes, or None.

    Examples:
        >>> recognise(CLASS_NAMES['voc'])
        'voc'
    """
    names = tuple(class_names)
    if len(names) == NUM_CLASSES['ade20k'] and names[:5] == ADE20K_START:
        return 'ade20k'
    return next((dataset for dataset, known in CLASS_NAMES.items() if names == known), None)
