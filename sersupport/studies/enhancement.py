"""What enhancement makes of noisy speech, and whether TRNet's coefficient c follows the true signal-to-noise ratio."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader

from sersupport.core.seeds import generator
from sersupport.inputs.store import BATCH, MaterialsDataset
from sersupport.recipes.drawing import clean_partners
from sersupport.sound import enhancers
from sersupport.sound.audio import RATE_HZ
from sersupport.studies.cluster import each
from sersupport.studies.jobs import Bench, Trained


def enhanced(bench: Bench, tests: Sequence[tuple[Trained, pd.DataFrame]], names: Sequence[str]) -> pd.DataFrame:
    """How near to its clean partner noisy speech comes by each enhancer, and what a trained system makes of it.

    Parameters
    ----------
    bench : Bench
    tests : sequence of (Trained, pandas.DataFrame)
        Systems, trained on speech that was not enhanced, each with the recipes that it classifies; clean rows are their
        own partners, and infinitely near by "none".
    names : sequence of str
        Enhancers from :func:`sersupport.sound.enhancers.located`; "none" is the noisy speech itself.

    Returns
    -------
    pandas.DataFrame
        Predictions table with ``enhancer`` and ``si_snr_db``.
    """
    tasks = [
        (one, recipes.iloc[first : first + BATCH], names)
        for one, recipes in tests
        for first in range(0, len(recipes), BATCH)
    ]
    return pd.concat(each(_enhanced, bench, tasks, "enhancement"), ignore_index=True)


def _enhanced(bench: Bench, task: tuple[Trained, pd.DataFrame, Sequence[str]]) -> pd.DataFrame:
    trained, recipes, names = task
    renderer = bench.store.renderer

    def compute(lacking: tuple[str, ...], rows: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
        own = recipes.iloc[rows]
        rendered = renderer.render(own)
        noisy, n_valid = np.stack([sample.signal for sample, _ in rendered]), np.array([n for _, n in rendered])
        clean = [sample.signal for sample, _ in renderer.render(clean_partners(own))]
        recogniser, found = bench.recogniser(trained), {}
        for name in lacking:
            clearer = enhancers.enhance(name, noisy, n_valid, RATE_HZ)
            pairs = zip(clearer, clean, n_valid, strict=True)
            db = np.array([enhancers.si_snr(one[:n], other[:n]) for one, other, n in pairs])
            found[name] = {"db": db, "probabilities": recogniser(clearer, n_valid)}
        return found

    shared = {"kind": "enhanced", **bench.asked(trained)}
    requests = {name: shared | {"enhancer": enhancers.identity(name)} for name in names}
    kept = bench.store.cache.fetch(requests, renderer.keys(recipes), compute)
    tables = [
        bench.table(trained, recipes, own["probabilities"].array()).assign(enhancer=name, si_snr_db=own["db"].array())
        for name, own in kept.items()
    ]
    return pd.concat(tables, ignore_index=True)


@torch.inference_mode()
def estimates(bench: Bench, trained: Trained, recipes: pd.DataFrame) -> pd.DataFrame:
    """c of a trained TRNet for each recipe.

    Returns
    -------
    pandas.DataFrame
        ``utterance``, ``speaker``, ``noise``, ``level`` (dB; inf without noise), ``enhancer``, ``c`` (0 to 1).
    """
    model, inputs = bench.model(trained)
    rows = MaterialsDataset(bench.store.materials(inputs, recipes))
    c = torch.cat([model.coefficient(**batch) for batch in DataLoader(rows, batch_size=64)])
    level = recipes["level"].where(recipes["level_kind"] != "none", np.inf)
    speaker = bench.utterances["speaker"].loc[recipes["utterance"]].to_numpy()
    table = recipes[["utterance", "noise"]].assign(level=level, speaker=speaker).reset_index(drop=True)
    return table.assign(enhancer=inputs["enhanced"].enhancer, c=c.numpy())


def tracking(table: pd.DataFrame, samples: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Rank correlation of c and the signal-to-noise ratio in each noise, with an interval over speakers.

    Speakers are drawn with replacement, each with all rows; the interval is that of the percentiles, which stays
    within -1 to 1 as the correlation does.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`estimates`; rows without noise are left out.
    samples, seed : int
        Of the bootstrap.

    Returns
    -------
    pandas.DataFrame
        ``enhancer``, ``noise``, ``correlation`` (Spearman's; NaN where c never changes), ``low``, ``high`` (95 %; NaN
        with a single speaker), ``speakers``.
    """
    rows, rng = [], generator(seed, "tracking")
    for (enhancer, noise), own in table[np.isfinite(table["level"])].groupby(["enhancer", "noise"], sort=False):
        of_speaker = [part[["level", "c"]] for _, part in own.groupby("speaker")]
        low = high = np.nan
        if (n := len(of_speaker)) > 1:
            draws = [_rank_correlation([of_speaker[i] for i in rng.integers(n, size=n)]) for _ in range(samples)]
            low, high = np.quantile(draws, (0.025, 0.975))
        rows.append((enhancer, noise, _rank_correlation(of_speaker), low, high, n))
    return pd.DataFrame(rows, columns=["enhancer", "noise", "correlation", "low", "high", "speakers"])


def _rank_correlation(parts: Sequence[pd.DataFrame]) -> float:
    return pd.concat(parts).corr(method="spearman").iloc[0, 1]
