"""How all figures look: one style, and colours that colour-blind readers tell apart."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mmciss.utils.files import write_atomically

DPI = 150
INK, SOFT, FAINT = '#222222', '#6b6b6b', '#d9d9d9'
OLD, NEW, ALL = '#0072B2', '#D55E00', '#222222'
CYCLE = ('#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#8C510A', '#542788', '#7F7F7F', '#000000')
"""Okabe and Ito's colours, the pale yellow replaced; used in this order for methods."""
MARKERS = 'osD^vP*Xhp'
_STYLE = {
    'font.family': 'DejaVu Sans',
    'font.size': 9,
    'axes.titlesize': 10,
    'axes.titleweight': 'bold',
    'axes.titlelocation': 'left',
    'axes.labelsize': 9,
    'axes.labelcolor': INK,
    'axes.edgecolor': SOFT,
    'axes.spines.top': False,
    'axes.spines.right': False,
    'axes.linewidth': 0.8,
    'xtick.color': INK,
    'ytick.color': INK,
    'legend.frameon': False,
    'text.color': INK,
    'figure.dpi': DPI,
}


def new_figure(width: float, height: float) -> Figure:
    """Makes a figure that is drawn without any window system.

    Args:
        width: Inches.
        height: Inches.
    """
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout='constrained')
        FigureCanvasAgg(figure)
    return figure


def style() -> matplotlib.RcParams:
    """Gives the context in which axes are to be made: ``with style(): ...``."""
    return matplotlib.rc_context(_STYLE)


def save_figure(figure: Figure, path: Path) -> None:
    """Writes a figure as PNG, atomically."""
    write_atomically(path, lambda temporary: figure.savefig(temporary, format='png', dpi=DPI, facecolor='white'))


def default_palette(count: int) -> np.ndarray:
    """Gives the colours of Pascal VOC ``(count, 3)``, uint8.

    The bits of the class number are spread over red, green and blue.

    Examples:
        >>> default_palette(3).tolist()
        [[0, 0, 0], [128, 0, 0], [0, 128, 0]]
    """
    numbers = np.arange(count)
    colors = np.zeros((count, 3), dtype=np.uint8)
    for bit in range(8):
        for channel in range(3):
            colors[:, channel] |= (((numbers >> (3 * bit + channel)) & 1) << (7 - bit)).astype(np.uint8)
    return colors
