"""103 functionals of a clip's prosody in the order of DisVoice, measured with Praat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import parselmouth

from sersupport.core.errors import UserError

F0_RANGE_HZ = (60.0, 350.0)
STEP_S, FRAME_S = 0.01, 0.02
PAUSE_S = 0.14  # a longer stretch without F0 is a pause, a shorter one an unvoiced segment
FLOOR = 1e-10  # mean square of digital silence: -100 dB
MOMENTS = ("mean", "sd", "skewness", "kurtosis")


def functionals(y: np.ndarray, rate_hz: int) -> np.ndarray:
    """Statistics of F0, energy and durations of a clip, named by :data:`NAMES`.

    F0 (autocorrelation, 60 to 350 Hz) and the energy of 20 ms around it stand every 10 ms, from 25 ms after the clip's
    start to 25 ms before its end. A voiced segment is a run of frames with F0, an unvoiced one a run without of at most
    0.14 s, a pause a longer one. A line is fitted by least squares to each segment of two frames or more; its tilt is
    in Hz/s or dB/s, its error the mean square in Hz² or dB².

    As in DisVoice the mean is subtracted and the peak is 1 before energies are taken; energy's own moments are means
    over segments of each segment's; kurtosis is that in excess of a normal distribution; and the ratios are of mean
    durations. Unlike there, the last segment counts, one segment is enough, and energies at the ends of a segment
    look 5 ms beyond it. A statistic of nothing, and a ratio to nothing, is 0.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
        Mono speech; less than 50 ms is filled up with silence.
    rate_hz : int
        Sampling rate.

    Returns
    -------
    np.ndarray [shape=(103,)]
        Finite. F0 in Hz, energy in dB re the clip's peak, durations in s.

    Raises
    ------
    UserError
        If `y` is not one channel or not finite.

    References
    ----------
    .. [1] DisVoice 0.1.10, github.com/jcvasquezc/DisVoice: the set that arXiv 2501.10408 names.
    """
    y = np.asarray(y, dtype=float)
    if y.ndim != 1 or not np.isfinite(y).all():
        raise UserError(f"prosody of a signal of shape {y.shape}: needs one channel of finite samples")
    y = np.pad(y, (0, max(0, int(3 / F0_RANGE_HZ[0] * rate_hz) + 1 - len(y))))  # Praat wants three periods
    y = y - y.mean()
    y = y / max(np.abs(y).max(), FLOOR)
    sound = parselmouth.Sound(y, sampling_frequency=rate_hz)
    pitch = sound.to_pitch_ac(STEP_S, F0_RANGE_HZ[0], pitch_ceiling=F0_RANGE_HZ[1])
    starts = np.round((pitch.xs() - FRAME_S / 2) * rate_hz).astype(int)
    frames = y[starts[:, None] + np.arange(round(FRAME_S * rate_hz))]
    energy_db = 10 * np.log10(np.maximum(np.mean(frames**2, axis=1), FLOOR))
    return np.array(list(_described(pitch.selected_array["frequency"], energy_db, len(y) / rate_hz).values()))


def _described(f0_hz: np.ndarray, energy_db: np.ndarray, duration_s: float) -> dict[str, float]:
    """The functionals by name, of F0 (T,), 0 where there is none, and energy (T,)."""
    voiced = f0_hz > 0
    segments = {"voiced": _runs(voiced), "unvoiced": [], "pause": []}
    for run in _runs(~voiced):
        is_pause = _seconds(run) > PAUSE_S + STEP_S / 2  # half a step against rounding
        segments["pause" if is_pause else "unvoiced"].append(run)
    contours = [f0_hz[run] for run in segments["voiced"]]
    tilt, error = (_statistics(values) for values in _lines(contours))
    found = _named("F0", _six(_statistics(f0_hz[voiced])))
    for name, value in _six(tilt).items():
        found |= {f"F0 tilt {name}": value, f"F0 error {name}": _six(error)[name]}
    found |= _ends("F0", contours)
    for kind in ("voiced", "unvoiced"):
        found |= _energies(f"{kind} energy", [energy_db[run] for run in segments[kind]])
    found["voiced segments per second"] = len(segments["voiced"]) / duration_s
    means = {}
    for kind, runs in segments.items():
        durations = _statistics([_seconds(run) for run in runs])
        found |= _named(f"{kind} duration", durations)
        means[kind] = durations["mean"]
    v, u, p = means.values()
    pairs = {
        "pause/(voiced + unvoiced)": (p, v + u),
        "pause/unvoiced": (p, u),
        "unvoiced/(unvoiced + voiced)": (u, u + v),
        "voiced/(unvoiced + voiced)": (v, u + v),
        "voiced/pause": (v, p),
        "unvoiced/pause": (u, p),
    }
    return found | {name: above / below if below else 0.0 for name, (above, below) in pairs.items()}


def _energies(kind: str, contours: Sequence[np.ndarray]) -> dict[str, float]:
    each = [_statistics(contour) for contour in contours]
    found = {name: float(np.mean([one[name] for one in each])) if each else 0.0 for name in MOMENTS}
    found = _named(kind, found)
    for line, values in zip(("tilt", "error"), _lines(contours), strict=True):
        found |= {f"{kind} {line} {name}": _statistics(values)[name] for name in MOMENTS}
    return found | _ends(kind, contours)


def _ends(kind: str, contours: Sequence[np.ndarray]) -> dict[str, float]:
    """Statistics of the first and of the last segment."""
    first, last = (contours[0], contours[-1]) if contours else ([], [])
    found = _named(f"{kind} first segment", _six(_statistics(first)))
    return found | _named(f"{kind} last segment", _six(_statistics(last)))


def _named(kind: str, values: dict[str, float]) -> dict[str, float]:
    return {f"{kind} {name}": value for name, value in values.items()}


def _six(values: dict[str, float]) -> dict[str, float]:
    """The order of contours; that of :func:`_statistics` is durations'."""
    return {name: values[name] for name in ("mean", "sd", "max", "min", "skewness", "kurtosis")}


def _statistics(values: Sequence[float] | np.ndarray) -> dict[str, float]:
    if not len(values):
        return dict.fromkeys((*MOMENTS, "max", "min"), 0.0)
    x = np.asarray(values)
    mean, sd = x.mean(), x.std()
    spread = sd > 1e-9 * max(1.0, abs(mean))  # below it is rounding, whose skewness and kurtosis mean nothing
    z = (x - mean) / sd if spread else np.zeros(len(x))
    kurtosis = np.mean(z**4) - 3 if spread else 0.0
    found = (mean, sd if spread else 0.0, np.mean(z**3), kurtosis, x.max(), x.min())
    return dict(zip((*MOMENTS, "max", "min"), map(float, found), strict=True))


def _lines(contours: Sequence[np.ndarray]) -> tuple[list[float], list[float]]:
    """Slope per second and mean square error of the line through each contour of two frames or more."""
    tilts, errors = [], []
    for x in contours:
        if len(x) > 1:
            t = STEP_S * (np.arange(len(x)) - (len(x) - 1) / 2)
            tilts.append(t @ x / (t @ t))
            errors.append(np.mean((x - x.mean() - tilts[-1] * t) ** 2))
    return tilts, errors


def _runs(marks: np.ndarray) -> list[slice]:
    edges = np.flatnonzero(np.diff(marks, prepend=False, append=False))
    return [slice(start, stop) for start, stop in edges.reshape(-1, 2)]


def _seconds(run: slice) -> float:
    return STEP_S * (run.stop - run.start)


NAMES = tuple(_described(np.zeros(1), np.zeros(1), 1.0))
