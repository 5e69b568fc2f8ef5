"""Settings shared by all tests: one thread, because several small tensors on two cores only fight for them."""
from __future__ import annotations

import os

os.environ.setdefault('OMP_NUM_THREADS', '1')
os.environ.setdefault('GOMP_SPINCOUNT', '0')
