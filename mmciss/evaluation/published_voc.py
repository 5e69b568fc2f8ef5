"""Published results on Pascal VOC 2012 as tables, read by :mod:`mmciss.evaluation.published`.

One line per method and source: ``method | source | background | trust | cells``. A cell is ``all``
or ``old/new/all`` or ``old/new/all/average``, in percent mIoU. ``background`` says whether old and
all count it. ``trust`` is ``official`` (read in the method's own repository or its table there),
``recalled`` (a published table, checked by arithmetic only) or ``quoted`` (from the comparison
table of a later paper; trust it to 0.5).

DeepLabV3 with ResNet-101 unless the method's name says otherwise; "-M" keeps exemplars (100
images).
"""

from __future__ import annotations

OVERLAPPED = """
                | | | | 19-1 | 15-5 | 15-1 | 10-1 | 5-3
FT              | MiB paper | no | official | 6.8/12.9/7.1 | 2.1/33.1/9.8 | 0.2/1.8/0.6 | - | -
FT              | SDR paper | yes | recalled | 34.7/14.9/33.8 | 12.5/36.9/18.3 | 4.9/3.2/4.5 | - | -
FT              | RevisitingCSS | yes | official | - | - | 3.97 | 3.64 | -
FT              | CFSSeg | yes | quoted | - | - | - | 6.3/2.8/4.7 | -
PI              | MiB paper | no | official | 7.5/14.0/7.8 | 1.6/33.3/9.5 | 0.0/1.8/0.5 | - | -
EWC             | MiB paper | no | official | 26.9/14.0/26.3 | 24.3/35.5/27.1 | 0.3/4.3/1.3 | - | -
RW              | MiB paper | no | official | 23.3/14.2/22.9 | 16.6/34.9/21.2 | 0.0/5.2/1.3 | - | -
LwF             | MiB paper | no | official | 51.2/8.5/49.1 | 58.9/36.6/53.3 | 1.0/3.9/1.8 | - | -
LwF             | SDR paper | yes | recalled | 62.6/23.4/60.8 | 67.0/41.8/61.0 | 24.0/15.0/21.9 | - | -
LwF             | RCIL repository | yes | official | - | 55.0 | 5.5 | 4.8 | -
LwF-MC          | MiB paper | no | official | 64.4/13.3/61.9 | 58.1/35.0/52.3 | 6.4/8.4/6.9 | - | -
LwF-MC          | SDR paper | yes | recalled | 37.1/2.3/35.4 | 59.8/22.6/51.0 | 6.9/2.3/5.8 | - | -
LwF-MC          | later papers | yes | quoted | - | - | - | 4.65/5.9/4.95 | -
ILT             | MiB paper | no | official | 67.1/12.3/64.4 | 66.3/40.6/59.9 | 4.9/7.8/5.7 | - | -
ILT             | PLOP paper | yes | official | 67.75/10.88/65.05/71.23 | 67.08/39.23/60.45/70.37 | 8.75/7.99/8.56/40.16 | - | -
ILT             | PLOP paper | yes | recalled | - | - | - | 7.15/3.67/5.50/25.71 | -
ILT             | SDR paper | yes | recalled | 50.2/29.2/49.2 | 69.0/46.4/63.6 | 5.7/1.0/4.6 | - | -
ILT             | RCIL repository | yes | official | - | 61.3 | 9.2 | 5.5 | -
MiB             | MiB paper | no | official | 70.2/22.1/67.8 | 75.5/49.4/69.0 | 35.1/13.5/29.7 | - | -
MiB             | PLOP paper | yes | official | 71.43/23.59/69.15/73.28 | 76.37/49.97/70.08/75.12 | 34.22/13.50/29.29/54.19 | - | -
MiB             | PLOP paper | yes | recalled | - | - | - | 12.25/13.09/12.65/42.67 | -
MiB             | RCIL repository | yes | official | - | 70.0 | 32.2 | 20.1 | -
MiB             | SSUL paper | yes | quoted | - | - | - | - | 57.1/42.6/46.7
PLOP            | PLOP paper | yes | official | 75.35/37.35/73.54/75.47 | 75.73/51.71/70.09/75.19 | 65.12/21.11/54.64/67.21 | - | -
PLOP            | PLOP paper | yes | recalled | - | - | - | 44.03/15.51/30.45/52.32 | -
PLOP            | SSUL paper | yes | quoted | - | - | - | - | 17.5/19.2/18.7
SDR             | SDR paper | yes | recalled | 69.1/32.6/67.4 | 75.4/52.6/69.9 | 44.7/21.8/39.2 | - | -
SDR             | RCIL repository | yes | official | - | 70.1 | 39.5 | 32.1/17.0/25.1 | -
SDR+MiB         | SDR paper | yes | recalled | 71.3/23.4/69.0 | 76.3/50.2/70.1 | 47.3/14.7/39.5 | - | -
CIL             | SDR paper | yes | recalled | 35.1/13.8/34.0 | 14.9/37.3/20.2 | 6.3/4.5/5.9 | - | -
RCIL            | RCIL paper | yes | recalled | 77.0/31.5/74.7 | 78.8/52.0/72.4 | 70.6/23.7/59.4 | 55.4/15.1/34.3 | -
RCIL            | RCIL repository | yes | official | - | 72.4 | 59.4 | 34.3 | 42.88
RCIL            | RCIL released log | yes | official | - | - | 70.43/23.86/59.34/69.57 | 50.25/16.40/34.13/57.52 | -
AWT+MiB         | AWT paper | yes | recalled | - | 77.3/52.9/71.5 | 59.1/17.2/49.1 | 33.2/18.0/26.0 | 61.8/45.9/50.4
AWT+SSUL        | AWT paper | yes | recalled | - | 78.0/50.2/71.4 | 77.0/37.6/67.6 | 73.1/47.0/60.7 | 71.6/51.3/57.1
SSUL            | SSUL paper | yes | recalled | 77.73/29.68/75.44 | 77.82/50.10/71.22 | 77.31/36.59/67.61 | 71.31/45.98/59.25 | 72.44/50.67/56.89
SSUL-M          | SSUL paper | yes | recalled | 77.83/49.76/76.49 | 78.40/55.80/73.02 | 78.36/49.01/71.37 | 74.02/53.23/64.12 | 71.3/53.2/58.37
DKD             | DKD paper | yes | recalled | 77.8/41.5/76.0 | 78.8/58.2/73.9 | 78.1/42.7/69.7 | 73.1/46.5/60.4 | 69.6/53.5/58.1
DKD             | DKD repository | yes | official | 76.13 | 73.95 | 70.50 | 60.43 | 58.98
DKD-M           | DKD paper | yes | quoted | 78.0/57.7/77.0 | 79.1/60.6/74.7 | 78.84/52.32/72.52 | 65.77 | 62.9
DKD-M           | DKD repository | yes | official | 77.04 | 74.84 | 72.95 | 66.20 | 63.32
GSC             | later papers | yes | quoted | 76.9/42.7/75.3 | 78.3/54.2/72.6 | 72.1/24.4/60.7 | 50.6/17.3/34.7 | -
EWF+MiB         | EWF paper | yes | quoted | 77.9/6.7/74.5 | - | 78.0/25.5/65.5 | 56.0/16.7/37.3 | -
EWF+PLOP        | EWF paper | yes | quoted | - | - | 77.7/32.7/67.0 | 71.5/30.3/51.9 | -
DFT*            | RevisitingCSS | yes | quoted | - | - | - | 44.4 | -
UCD+PLOP        | later papers | no | quoted | - | - | 66.3/21.6/55.1 | 42.3/28.3/35.3 | -
REMINDER        | later papers | yes | quoted | 76.5/32.3/74.4 | 76.1/50.7/70.1 | 68.3/27.2/58.5 | - | -
SPPA            | later papers | yes | quoted | 76.5/36.2/74.6 | 78.1/52.9/72.1 | 66.2/23.3/56.0 | - | -
LGKD+PLOP       | later papers | yes | quoted | 76.5/42.9/75.7 | 78.7/56.1/73.9 | 69.3/30.9/61.1 | - | -
CAF             | later papers | no | quoted | - | - | 55.7/14.1/45.3 | - | -
MicroSeg-M      | later papers | yes | quoted | 79.3/62.9/78.5 | 82.0/59.2/76.6 | 81.3/52.5/74.4 | 77.2/57.2/67.7 | -
IDEC            | later papers | yes | quoted | - | 78.0/51.8/71.8 | 77.0/36.5/67.3 | 70.7/46.3/59.1 | 67.1/49.0/54.1
STAR            | later papers | yes | quoted | 78.0/47.1/76.5 | 79.5/58.9/74.6 | 79.5/50.6/72.6 | - | 71.9/61.5/64.4
STAR-TPAMI lite | STAR-TPAMI repository | yes | quoted | 76.6 | 74.9 | 72.9 | 64.9 | 64.5
STAR-TPAMI basic | STAR-TPAMI repository | yes | quoted | 77.0 | 75.8 | 74.0 | 66.6 | 65.7
Adapter         | later papers | yes | quoted | 78.0/50.7/76.7 | 79.7/59.7/75.0 | 79.9/51.9/73.2 | 74.9/54.3/65.1 | 73.8/61.9/65.3
MiB+NeST        | NeST paper | yes | quoted | 71.7/28.2/69.7 | 77.1/50.1/70.7 | 61.7/20.4/51.8 | 37.4 | -
PLOP+NeST       | NeST paper | yes | quoted | 77.0/49.1/75.7 | 77.6/55.8/72.4 | 72.2/33.7/63.1 | 36.9 | -
RCIL+NeST       | NeST paper | yes | quoted | 77.0/33.3/74.9 | 79.0/52.8/72.8 | 71.9/28.0/61.4 | 36.8 | -
PLOP+Cs2K       | later papers | yes | quoted | - | - | 77.9/46.4/70.4 | 61.5 | 58.4/53.4/54.8
BARM            | later papers | yes | quoted | 78.2/42.2/76.4 | - | 77.6/45.9/70.0 | 62.1 | 71.3/57.0/61.1
EIR             | later papers | yes | quoted | - | 79.1/58.4/74.2 | 79.4/52.6/73.0 | - | 74.6/63.1/66.4
CoGaMiD         | later papers | yes | quoted | - | - | 80.1/53.6/73.8 | - | 73.7/63.1/66.1
CFSSeg          | CFSSeg paper | yes | quoted | - | - | 79.2/38.0/69.4 | 75.0/41.2/58.9 | -
Joint           | MiB paper | no | official | 77.4/78.0/77.4 | 79.1/72.6/77.4 | 79.1/72.6/77.4 | - | -
Joint           | later papers | yes | quoted | 77.6 | 79.5/71.5/77.6 | 79.5/71.5/77.6 | 78.4/76.4/77.4 | -
CoMasTRe (Mask2Former R101) | later papers | yes | quoted | 75.1/69.5/74.9 | 79.7/51.9/73.1 | 69.8/43.6/63.5 | - | -
PLOP+NeST (Swin-B) | NeST paper | yes | quoted | 79.6/70.2/79.1 | 80.5/70.8/78.2 | 76.8/57.2/72.2 | 47.2 | -
DFT* (Swin-B)   | RevisitingCSS | yes | quoted | - | - | - | 58.0 | -
CoinSeg (Swin-B) | later papers | yes | quoted | 81.5/44.8/79.8 | 82.1/63.2/77.6 | 82.7/52.5/75.5 | 70.5 | -
Incrementer (ViT-B) | later papers | yes | quoted | 82.5/61.0/82.1 | 82.5/69.2/79.9 | 79.6/59.6/75.6 | 70.2 | -
EIR (Swin-B)    | later papers | yes | quoted | - | 83.4/68.6/79.9 | 83.6/66.9/79.6 | - | -
CoGaMiD (Swin-B) | later papers | yes | quoted | - | - | 83.2/61.2/78.0 | - | 79.9/72.7/74.7
LBD (ViT)       | later papers | no | quoted | 82.2/70.0/81.6 | 83.2/73.6/80.8 | 81.9/66.6/78.1 | - | -
MBS (ViT-B)     | later papers | no | quoted | 81.5/67.0/80.8 | 82.7/74.0/80.5 | 82.3/69.0/79.0 | 76.6 | 76.7/77.3/77.0
SELECT (ViT)    | SELECT repository | yes | quoted | 83.0/70.2/82.1 | 83.9/76.0/81.6 | 83.3/72.0/80.5 | 75.7 | 77.9/77.8/78.6
DecoupleCSS (SAM, GroundingDINO) | later papers | yes | quoted | 83.95 | - | 83.4 | 83.1 | -
"""

OVERLAPPED_SHORT = """
                | | | | 5-1 | 2-1 | 2-2
MiB             | SSUL repository | yes | official | 10.03 | 9.88 | -
MiB             | later papers | yes | quoted | - | - | 25.9
PLOP            | SSUL repository | yes | official | 6.46 | 4.47 | -
PLOP            | later papers | yes | quoted | - | - | 13.6
SSUL            | SSUL repository | yes | official | 48.65 | 38.32 | -
SSUL-M          | SSUL repository | yes | official | 55.11 | 44.74 | -
SDR             | later papers | yes | quoted | - | - | 6.2
RCIL            | later papers | yes | quoted | - | - | 20.3
MicroSeg-M      | later papers | yes | quoted | - | - | 52.2
Adapter         | later papers | yes | quoted | - | - | 58.6
CoinSeg (ViT)   | later papers | yes | quoted | - | - | 64.3
MBS (ViT-B)     | later papers | yes | quoted | - | - | 70.3
"""

DISJOINT = """
                | | | | 19-1 | 15-5 | 15-1 | 10-1
FT              | MiB paper | no | official | 5.8/12.3/6.2 | 1.1/33.6/9.2 | 0.2/1.8/0.6 | -
FT              | SDR paper | yes | recalled | 35.2/13.2/34.2 | 8.4/33.5/14.4 | 5.8/4.9/5.6 | -
FT              | CFSSeg | yes | quoted | - | - | - | 6.3/1.1/3.8
PI              | MiB paper | no | official | 5.4/14.1/5.9 | 1.3/34.1/9.5 | 0.0/1.8/0.4 | -
EWC             | MiB paper | no | official | 23.2/16.0/22.9 | 26.7/37.7/29.4 | 0.3/4.3/1.3 | -
RW              | MiB paper | no | official | 19.4/15.7/19.2 | 17.9/36.9/22.7 | 0.2/5.4/1.5 | -
LwF             | MiB paper | no | official | 53.0/9.1/50.8 | 58.4/37.4/53.1 | 0.8/3.6/1.5 | -
LwF             | SDR paper | yes | recalled | 65.8/28.3/64.0 | 39.7/33.3/38.2 | 26.2/15.1/23.6 | -
LwF             | RCIL repository | yes | official | - | 54.9 | 5.3 | 4.3
LwF-MC          | MiB paper | no | official | 63.0/13.2/60.5 | 67.2/41.2/60.7 | 4.5/7.0/5.2 | -
LwF-MC          | SDR paper | yes | recalled | 38.5/1.0/36.7 | 41.5/25.4/37.6 | 6.9/2.1/5.7 | -
ILT             | MiB paper | no | official | 69.1/16.4/66.4 | 63.2/39.5/57.3 | 3.7/5.7/4.2 | -
ILT             | SDR paper | yes | recalled | 66.9/23.4/64.8 | 31.5/25.1/30.0 | 6.7/1.2/5.4 | -
ILT             | RCIL repository | yes | official | - | 58.9 | 7.9 | 5.4
MiB             | MiB paper | no | official | 69.6/25.6/67.4 | 71.8/43.3/64.7 | 46.2/12.9/37.9 | -
MiB             | RCIL repository | yes | official | - | 65.9 | 39.9 | 6.9
MiB             | CFSSeg | yes | quoted | - | - | - | 9.5/4.1/6.9
PLOP            | PLOP paper | yes | recalled | 75.37/38.89/73.64 | 71.00/42.82/64.29 | 57.9/13.7/46.5 | -
PLOP            | RCIL repository | yes | official | - | 64.3 | 46.5 | 8.4
PLOP            | CFSSeg | yes | quoted | - | - | - | 9.7/7.0/8.4
SDR             | SDR paper | yes | recalled | 69.9/37.3/68.4 | 73.5/47.3/67.2 | 59.2/12.9/48.1 | -
SDR             | RCIL repository | yes | official | - | 67.3 | 48.7 | 17.3/11.0/14.3
SDR+MiB         | SDR paper | yes | recalled | 70.8/31.4/68.9 | 74.6/44.1/67.3 | 59.4/14.3/48.7 | -
CIL             | SDR paper | yes | recalled | 62.6/18.1/60.5 | 42.6/35.0/40.8 | 33.3/15.9/29.1 | -
RCIL            | RCIL paper | yes | recalled | - | 75.0/42.8/67.3 | 66.1/18.2/54.7 | 30.6/4.7/18.2
RCIL            | RCIL released log | yes | official | - | - | 64.55/19.22/53.75/66.35 | 37.76/8.22/23.69/46.23
SPPA            | later papers | yes | quoted | 75.5/38.0/73.7 | 75.3/48.7/69.0 | 59.6/15.6/49.1 | -
SSUL            | SSUL paper | yes | quoted | 77.4/22.4/74.8 | 76.4/45.6/69.1 | 74.0/32.2/64.0 | -
SSUL-M          | SSUL paper | yes | quoted | 77.6/43.9/76.0 | 76.5/48.6/69.8 | 76.5/43.4/68.6 | -
DKD             | DKD paper | yes | recalled | 77.4/43.6/75.8 | 77.6/54.1/72.0 | 76.3/39.4/67.5 | -
DKD             | DKD repository | yes | official | 75.90 | 72.21 | 68.48 | -
DKD-M           | DKD paper | yes | quoted | 77.6/56.9/76.6 | 77.7/55.4/72.4 | 77.3/48.2/70.3 | -
DKD-M           | DKD repository | yes | official | 76.84 | 72.53 | 70.78 | -
STAR            | later papers | yes | quoted | 77.9/43.4/76.2 | 78.4/57.4/73.4 | 78.1/46.6/70.6 | -
Adapter         | later papers | yes | quoted | 78.0/46.1/76.5 | 78.9/58.2/73.9 | 78.6/49.0/71.5 | -
CoGaMiD         | later papers | yes | quoted | 79.8/46.4/78.2 | 78.9/58.2/74.0 | 78.9/49.2/71.8 | -
CFSSeg          | CFSSeg paper | yes | quoted | - | - | 77.7/40.3/68.8 | 70.9/42.1/57.2
Joint           | MiB paper | no | official | 77.4/78.0/77.4 | 79.1/72.6/77.4 | 79.1/72.6/77.4 | -
Joint           | SDR paper | yes | recalled | 75.4 | 77.5/68.5/75.4 | 77.5/68.5/75.4 | -
"""

SEQUENTIAL = """
                | | | | 15-1 | 15-5
FT (DeepLabV3+)      | CFSSeg paper | yes | quoted | 41.6 | 56.3
LwF (DeepLabV3+)     | CFSSeg paper | yes | quoted | 29.0 | 62.1
ILT (DeepLabV3+)     | CFSSeg paper | yes | quoted | 48.3 | 65.7
MiB (DeepLabV3+)     | CFSSeg paper | yes | quoted | 29.8 | 66.1
SDR (DeepLabV3+)     | CFSSeg paper | yes | quoted | 47.0 | 67.2
SDR+MiB (DeepLabV3+) | CFSSeg paper | yes | quoted | 47.1 | 67.3
CFSSeg               | CFSSeg paper | yes | quoted | 70.0 | 70.0
"""
