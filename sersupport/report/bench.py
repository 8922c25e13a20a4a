"""What the hot paths cost beside what one would write without them, and how the cost grows with the corpus."""

import math
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import librosa
import numpy as np
import pandas as pd
import torch
from transformers import AutoModelForAudioClassification

from sersupport.core.cache import Cache
from sersupport.core.precision import Precision, within
from sersupport.inputs.descriptors import extract
from sersupport.inputs.frames import Frames
from sersupport.inputs.store import MaterialsDataset, Store
from sersupport.recipes.drawing import clean
from sersupport.recipes.rendering import Renderer
from sersupport.report.record import locked, package_root, read_record, write_record
from sersupport.report.series import run_series
from sersupport.run import from_parameters
from sersupport.run.notebook import Run
from sersupport.run.parameters import Parameters
from sersupport.sound import audio
from sersupport.sound.mixing import mix
from sersupport.studies.setup import Setup

CLIPS, REPEATS, GROWTH = 64, 3, (1, 2, 4)


def run_bench(parameters: Parameters, root: Path | None = None, scheduler: str | None = None, workers: int = 0) -> str:
    """Bring a run up to date, time the hot paths, and put the table on its front page; the tables as text.

    Parameters
    ----------
    parameters, root, scheduler, workers
        As for :func:`sersupport.report.series.run_series`.
    """
    root = root or package_root()
    run_series(parameters, root, scheduler=scheduler, workers=workers)
    folder = root / parameters.run_dir
    with locked(folder):
        record = read_record(folder)
        found = measured(parameters, record["notebooks"], record.get("seconds"))
        write_record(folder, record | {"bench": found})
    run_series(parameters, root, echo=lambda line: None)
    return in_words(found)


def measured(parameters: Parameters, chapters: Mapping[str, Mapping[str, float]], seconds: float | None) -> dict:
    """Time the hot paths on a run's own speech, noise and encoder, in this process.

    Parameters
    ----------
    parameters : Parameters
        Of a finished run.
    chapters : mapping
        What each notebook took, with ``seconds``.
    seconds : float or None
        What the whole run took from nothing, where it is known.

    Returns
    -------
    dict
        ``paths``: of each ``path``, ``unit``, ``ms`` (core milliseconds a unit), ``without`` (what one would write
        without this package), ``without_ms`` and ``ratio``. ``growth``: of each ``part`` the seconds at 1, 2 and 4
        times the rows, and ``exponent``, the slope of their logarithms: 1 is linear.
    """
    run = Run("05_training", Parameters(**parameters.model_dump()))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        paths, growth = _paths(run), _growth(run)
    finally:
        torch.set_num_threads(threads)
    if seconds is not None:
        each = 1e3 * sum(own["seconds"] for own in chapters.values())
        paths.append(_path("the whole run", "run", 1e3 * seconds, "its chapters one after another", each))
    return {"paths": paths, "growth": growth}


def _path(path: str, unit: str, ms: float, without: str, without_ms: float) -> dict[str, Any]:
    ratio = without_ms / ms
    return {"path": path, "unit": unit, "ms": ms, "without": without, "without_ms": without_ms, "ratio": ratio}


def best_ms(call: Callable[[], Any], units: int) -> float:
    """Milliseconds a unit of the fastest of three calls, after one to warm up."""
    call()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times) / units


def _paths(run: Run) -> list[dict[str, Any]]:
    renderer, setup = from_parameters.renderer(run), from_parameters.setup(run)
    recipes = run.load("02_noise/recipes_train")
    samples, n_valid = zip(*renderer.render(clean(renderer.utterances.head(CLIPS))), strict=True)
    waves, n_valid = np.stack([one.signal for one in samples]), np.array(n_valid)
    singly = list(zip(waves[:, None], n_valid[:, None], strict=True))
    exact, own = (Frames(setup.encoder, "", precision) for precision in ("float32", setup.precision))
    noisy = recipes.query("recording != '' and semitones == 0").head(CLIPS)
    paths = [
        _path(
            "descriptors", "clip", best_ms(lambda: setup.descriptors.compute(waves, n_valid), len(waves)),
            "librosa, clip by clip", best_ms(lambda: [extract(wave, setup.descriptors) for wave in waves], len(waves)),
        ),
        _path(
            "frames of the frozen encoder", "clip", best_ms(lambda: own.compute(waves, n_valid), len(waves)),
            "32 bits, clip by clip",
            best_ms(lambda: [exact.compute(*one) for one in singly], len(waves)),
        ),
        _path(
            "noise, from the files on", "clip", best_ms(lambda: _afresh(renderer).render(noisy), len(noisy)),
            "librosa.load of both files, clip by clip", best_ms(lambda: _mixed(renderer, noisy), len(noisy)),
        ),
    ]  # fmt: skip
    inputs = setup.system(run.p.study_row)[1]
    rows = MaterialsDataset(Store(renderer, run.cache).materials(inputs, recipes.head(CLIPS)))
    batch = torch.utils.data.default_collate([rows[index] for index in range(len(rows))])
    times_ms, cores = [], os.cpu_count() or 1
    for precision, threads in ((setup.precision, 1), ("float32", cores)):
        torch.set_num_threads(threads)
        step = _step(setup, run.p.study_row, precision, len(renderer.classes))
        times_ms.append(threads * best_ms(lambda own=step: own(batch), 1))
    torch.set_num_threads(1)
    name = f"training step of row {run.p.study_row}, {len(rows)} rows"
    return [*paths, _path(name, "step", times_ms[0], f"32 bits, on {cores} threads", times_ms[1])]


def _afresh(renderer: Renderer) -> Renderer:
    """The same, with nothing in its memory."""
    return Renderer(renderer.utterances.reset_index(drop=True), renderer.bank, renderer.window)


def _mixed(renderer: Renderer, recipes: pd.DataFrame) -> list[np.ndarray]:
    paths = renderer.bank.sources.set_index("recording")["path"]
    found = []
    for row in recipes.itertuples():
        samples, _ = librosa.load(renderer.utterances.loc[row.utterance, "path"], sr=audio.RATE_HZ)
        clip, _ = audio.clip_window(samples, audio.RATE_HZ, renderer.window.start_s, renderer.window.length_s)
        noise, _ = librosa.load(paths[row.recording], sr=audio.RATE_HZ)
        start = round(row.offset_s * audio.RATE_HZ)
        found.append(mix(clip, np.resize(noise[start:], len(clip)), row.level).signal)
    return found


def _step(setup: Setup, row: str, precision: Precision, classes: int) -> Callable[[Mapping[str, torch.Tensor]], None]:
    config = setup.system(row)[0]
    config.id2label = dict.fromkeys(range(classes))
    model = AutoModelForAudioClassification.from_config(config).train()
    optimiser = torch.optim.AdamW(model.parameters(), setup.learning_rate)

    def step(batch: Mapping[str, torch.Tensor]) -> None:
        with within(precision, "cpu"):
            loss = model(**batch).loss
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()

    return step


def _growth(run: Run) -> list[dict[str, Any]]:
    setup, recipes = from_parameters.setup(run), run.load("02_noise/recipes_train")
    rows = min(2 * CLIPS, len(recipes) // GROWTH[-1])
    inputs = setup.system(run.p.study_row)[1]
    made, trained = [], []
    for factor in GROWTH:
        some = recipes.head(factor * rows)
        with TemporaryDirectory(prefix="sersupport-bench-") as folder:
            store = Store(_afresh(from_parameters.renderer(run)), Cache(Path(folder)))
            start = time.perf_counter()
            dataset = MaterialsDataset(store.materials(inputs, some))
            made.append(time.perf_counter() - start)
            batches = torch.utils.data.DataLoader(dataset, batch_size=CLIPS)
            step = _step(setup, run.p.study_row, setup.precision, len(dataset.materials.classes))
            step(next(iter(batches)))
            start = time.perf_counter()
            for batch in batches:
                step(batch)
            trained.append(time.perf_counter() - start)
    parts = {"inputs, from the files on": made, f"an epoch of row {run.p.study_row}": trained}
    return [{"part": part, "seconds": own, "exponent": exponent(own)} for part, own in parts.items()]


def exponent(seconds: list[float]) -> float:
    """Slope of the logarithm of seconds over that of 1, 2, 4 times the rows.

    Examples
    --------
    >>> exponent([1.5, 3.0, 6.0])
    1.0
    """
    return float(np.polyfit([math.log2(factor) for factor in GROWTH], np.log2(seconds), 1)[0].round(12))


def in_words(found: Mapping[str, Any]) -> str:
    """Both tables as text."""
    lines = [f"{'path':<36}{'ms a unit':>12}{'without':>12}{'ratio':>8}  without this package"]
    for own in found["paths"]:
        lines.append(
            f"{own['path']:<36}{own['ms']:>12.2f}{own['without_ms']:>12.2f}{own['ratio']:>8.2f}  {own['without']}"
        )
    lines += ["", f"{'part':<36}" + "".join(f"{f'{factor}x [s]':>10}" for factor in GROWTH) + f"{'exponent':>10}"]
    for own in found["growth"]:
        times = "".join(f"{seconds:>10.2f}" for seconds in own["seconds"])
        lines.append(f"{own['part']:<36}{times}{own['exponent']:>10.2f}")
    return "\n".join(lines)
