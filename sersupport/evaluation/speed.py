"""How fast something runs."""

import time
from collections.abc import Callable


def throughput(classify: Callable[[], int], seconds: float) -> float:
    """Clips a second of processor time, by repeating a call for long enough (one call to warm up).

    On the clock of this process and its threads, not of the wall: beside other work of the machine, wall time once
    made a system a third faster than a part of itself. Work of a GPU is not in it.

    Parameters
    ----------
    classify : callable
        Classifies a batch from the waveform on and returns its number of clips.
    seconds : float
        At least this long.
    """
    classify()
    start, clips = time.process_time(), 0
    while (elapsed := time.process_time() - start) < seconds:
        clips += classify()
    return clips / elapsed
