"""How fast something runs."""

import time
from collections.abc import Callable


def throughput(classify: Callable[[], int], seconds: float) -> float:
    """Clips a second, by repeating a call until enough time has passed (one call to warm up).

    Parameters
    ----------
    classify : callable
        Classifies a batch from the waveform on and returns its number of clips.
    seconds : float
        At least this long.
    """
    classify()
    start, clips = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - start) < seconds:
        clips += classify()
    return clips / elapsed
