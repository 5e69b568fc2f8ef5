"""Published results on ADE20K as tables; the format is that of
:mod:`mmciss.evaluation.published_voc`.

In the PLOP family the channel of "other" pixels is evaluated and counted in old and all (101 old
channels at 100-50); MiB never has it in the ground truth. "-M" keeps exemplars (300 images).
"""

from __future__ import annotations

OVERLAPPED = """
                | | | | 100-50 | 50-50 | 100-10 | 100-5
ILT             | PLOP paper | yes | recalled | 18.29/14.40/17.00/29.42 | 3.53/12.85/9.70/30.12 | 0.11/3.06/1.09/12.56 | 0.08/1.31/0.49/7.83
ILT             | RCIL repository | yes | official | 17.0 | 9.7 | 1.1 | 0.5
MiB             | PLOP paper | yes | recalled | 40.52/17.17/32.79/37.31 | 45.57/21.01/29.31/38.98 | 38.21/11.12/29.24/35.12 | 36.01/5.66/25.96/32.69
MiB             | RCIL repository | yes | official | 32.8 | 29.3 | 29.2 | 25.9
PLOP            | PLOP paper | yes | recalled | 41.87/14.89/32.94/37.39 | 48.83/20.99/30.40/39.42 | 40.48/13.61/31.59/36.64 | 39.11/7.81/28.75/35.25
PLOP            | RCIL repository | yes | official | 32.9 | 30.4 | 31.6 | 28.7
SDR             | SDR paper | yes | recalled | 33.2 | 29.5 | 21.7 | -
SDR             | later papers | yes | quoted | 37.5/25.5/33.5 | - | - | -
SDR+MiB         | SDR paper | yes | recalled | 33.5 | 31.3 | 23.2 | -
RCIL            | RCIL paper | yes | recalled | 42.3/18.8/34.5 | 48.3/25.0/32.5 | 39.3/17.6/32.0 | 38.5/11.5/29.6
RCIL            | RCIL repository | yes | official | 34.5 | 32.5 | 32.1 | 29.6
RCIL            | RCIL released log | yes | official | 42.35/18.47/34.45/38.48 | - | - | 38.57/13.15/30.15/35.86
AWT+MiB         | AWT paper | yes | recalled | 40.9/24.7/35.6 | 46.6/26.85/33.5 | 39.1/21.3/33.2 | 38.6/16.0/31.1
SSUL            | SSUL paper | ? | recalled | 41.28/18.02/33.58 | 48.38/20.15/29.56 | 40.20/18.75/33.10 | 39.94/17.40/32.48
SSUL-M          | SSUL repository | ? | official | 34.37 | 29.77 | 34.46 | 34.56
SSUL-M          | SSUL paper | ? | quoted | 42.8/17.5/34.5 | 49.1/20.1/29.8 | 42.9/17.7/34.5 | 42.9/17.8/34.6
DKD             | DKD paper | yes | recalled | 42.4/22.9/35.9 | 48.8/26.3/33.9 | 41.6/19.5/34.3 | -
DKD             | DKD repository | yes | official | 35.55 | 34.39 | 34.53 | -
DKD-M           | DKD paper | yes | quoted | 35.98 | 33.92 | 34.58 | -
DKD-M           | DKD repository | yes | official | 35.58 | 34.39 | 34.83 | -
GSC             | later papers | yes | quoted | 42.4/19.2/34.7 | 46.2/26.2/41.8 | 40.8/17.6/33.1 | -
EWF             | EWF paper | yes | quoted | 41.2/21.3/34.6 | - | 41.5/16.3/33.2 | 41.4/13.4/32.1
REMINDER        | later papers | yes | quoted | 41.6/19.2/34.1 | 47.1/20.4/29.4 | 39.0/21.3/33.1 | 36.1/16.4/29.5
SPPA            | later papers | yes | quoted | 42.9/19.9/35.2 | 49.8/23.9/32.5 | 41.0/12.5/31.5 | -
MicroSeg        | later papers | yes | quoted | 40.2/18.8/33.1 | - | 41.5/21.6/34.9 | 40.4/20.5/33.8
LAG             | later papers | yes | quoted | 41.6/19.7/34.3 | - | 41.0/18.7/33.6 | 40.0/17.2/32.5
IDEC            | later papers | yes | quoted | 42.0/18.2/34.1 | 47.4/26.0/33.1 | 40.3/17.6/32.7 | 39.2/14.6/31.0
LGKD+PLOP       | later papers | yes | quoted | 43.6/25.7/37.5 | 49.4/29.4/36.0 | 42.1/22.0/35.4 | -
MiB+NeST        | NeST paper | yes | quoted | 35.1 | 33.2 | 33.7 | 32.7
PLOP+NeST       | NeST paper | yes | quoted | 42.2/24.3/36.3 | 48.7/27.7/34.8 | 40.9/22.0/34.7 | 39.3/17.4/32.0
RCIL+NeST       | NeST paper | yes | quoted | 42.3/22.8/35.8 | 48.2/27.4/34.4 | 40.7/19.0/33.5 | 39.4/15.5/31.5
MiB+Cs2K        | later papers | yes | quoted | - | - | 34.1 | 34.2
PLOP+Cs2K       | later papers | yes | quoted | - | - | 35.4 | -
BARM            | later papers | yes | quoted | 42.0/23.0/35.7 | 47.9/26.5/33.7 | 41.1/23.1/35.2 | 40.5/21.2/34.1
STAR            | later papers | yes | quoted | 42.4/24.2/36.4 | 48.7/27.2/34.4 | 42.0/20.6/34.9 | -
Adapter         | later papers | yes | quoted | 43.1/23.6/36.7 | 49.3/27.3/34.7 | 42.9/19.9/35.3 | 42.6/18.0/34.5
EIR             | later papers | yes | quoted | 41.9/21.9/35.3 | 49.3/26.3/34.1 | 41.8/19.4/34.3 | -
CoGaMiD         | later papers | yes | quoted | 43.1/24.7/37.0 | 49.3/27.8/35.1 | 42.5/22.4/35.8 | 42.3/21.0/35.2
FT              | RevisitingCSS | yes | official | - | - | 0.67 | 0.38
Joint           | PLOP paper | yes | recalled | 44.30/28.20/38.90 | - | - | -
Joint           | later papers | yes | quoted | 43.2/30.0/38.8 | 49.4/33.4/38.8 | 38.8 | 38.8
CIT (R50)       | CIT repository | ? | quoted | 46.3/36.4/43.0 | 53.2/37.2/42.5 | 46.1/31.1/41.1 | 45.9/29.4/40.4
CoMFormer (Mask2Former R101) | later papers | ? | quoted | 44.7/26.2/38.6 | - | 40.6/15.6/32.3 | 39.5/13.6/30.9
CoMasTRe (Mask2Former R101)  | later papers | ? | quoted | 45.7/26.0/39.2 | - | 42.3/18.4/34.4 | 40.8/15.8/32.5
ECLIPSE (Mask2Former R101)   | later papers | ? | quoted | 45.0/21.7/37.1 | - | 43.4/17.4/34.6 | 43.3/16.3/34.2
CoMBO (Mask2Former R101)     | later papers | ? | quoted | 50.2/34.4/44.9 | 43.0 | 47.8/27.7/41.1 | 44.6/22.6/37.3
SimCIS (Mask2Former R101)    | later papers | ? | quoted | 57.1/36.0/48.6 | - | 49.7/27.4/42.3 | 46.7/22.8/38.7
Incrementer (ViT-B) | later papers | yes | quoted | 44.8 | 43.9 | 43.9 | 41.7
MBS (ViT-B)     | later papers | yes | quoted | 43.7 | 42.9 | 42.3 | 38.8
LBD (ViT)       | later papers | yes | quoted | 47.1 | 45.8 | 44.1 | -
SELECT (ViT)    | SELECT repository | yes | quoted | 48.2 | 47.1 | 44.1 | 41.4
"""

MIB_LISTS = """
                | | | | 100-50 | 50-50 | 100-10
FT              | MiB paper | no | official | 0.0/24.9/8.3 | 0/11.0/7.3 | 0/3.32/1.1
LwF             | MiB paper | no | official | 21.1/25.6/22.6 | 5.7/17.85/13.9 | 0.1/4.9/1.7
LwF-MC          | MiB paper | no | official | 34.2/10.5/26.3 | 27.8/8.7/15.1 | 18.7/5.36/14.3
ILT             | MiB paper | no | official | 22.9/18.9/21.6 | 8.4/12.0/10.8 | 0.3/3.68/1.4
MiB             | MiB paper | no | official | 37.9/27.9/34.6 | 35.5/22.9/27.0 | 31.8/14.06/25.9
Joint           | MiB paper | no | official | 44.3/28.2/38.9 | 51.1/33.25/38.9 | 44.3/28.2/38.9
"""
"""MiB's own image lists, where every image belongs to one step. Means over later steps are computed
from its columns."""
