"""Helper package of the reproducible report on noise-robust, explainable speech emotion recognition."""

from __future__ import annotations

__version__ = "0.1.0"
