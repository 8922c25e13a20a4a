"""What enhancement makes of noisy speech, and whether TRNet's coefficient c follows the true signal-to-noise ratio."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader

from sersupport.core.keys import code_version
from sersupport.core.seeds import generator
from sersupport.inputs.store import BATCH, MaterialsDataset
from sersupport.recipes.drawing import clean_partners
from sersupport.sound import enhancers
from sersupport.sound.audio import RATE_HZ
from sersupport.studies.jobs import Bench, Trained


def enhanced(bench: Bench, recipes: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """How near to its clean partner noisy speech comes by each enhancer.

    Parameters
    ----------
    bench : Bench
        Its renderer and its cache are used.
    recipes : pandas.DataFrame
        On the SNR axis; clean rows are their own partners, and infinitely near by "none".
    names : sequence of str
        Enhancers from :func:`sersupport.sound.enhancers.located`; "none" is the noisy speech itself.

    Returns
    -------
    pandas.DataFrame
        ``utterance``, ``speaker``, ``noise``, ``level`` (dB; inf without noise), ``enhancer``, ``si_snr_db``.
    """
    renderer = bench.store.renderer

    def compute(lacking: tuple[str, ...], rows: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
        own = recipes.iloc[rows]
        rendered = renderer.render(own)
        noisy, n_valid = np.stack([sample.signal for sample, _ in rendered]), [n for _, n in rendered]
        clean = [sample.signal for sample, _ in renderer.render(clean_partners(own))]
        found = {}
        for name in lacking:
            estimates = enhancers.enhance(name, noisy, n_valid, RATE_HZ)
            pairs = zip(estimates, clean, n_valid, strict=True)
            found[name] = {"db": np.array([enhancers.si_snr(one[:n], other[:n]) for one, other, n in pairs])}
        return found

    shared = {"kind": "si-snr", "rendered": renderer.describe(), "code": code_version("sound")}
    requests = {name: {**shared, "enhancer": enhancers.identity(name)} for name in names}
    kept = bench.store.cache.fetch(requests, renderer.keys(recipes), compute, label="enhancement")
    rows = _named(bench, recipes)
    tables = [rows.assign(enhancer=name, si_snr_db=kept[name]["db"].array()) for name in names]
    return pd.concat(tables, ignore_index=True)


def recognised(bench: Bench, trained: Trained, recipes: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """What a trained system makes of noisy speech that goes through each enhancer first.

    Parameters
    ----------
    bench, recipes, names
        As for :func:`enhanced`.
    trained : Trained

    Returns
    -------
    pandas.DataFrame
        Predictions table with ``enhancer``.
    """
    recogniser = bench.recogniser(trained)
    rendered = bench.store.renderer.render(recipes)
    waves, n_valid = np.stack([sample.signal for sample, _ in rendered]), np.array([n for _, n in rendered])
    tables = []
    for name in names:
        clearer = enhancers.enhance(name, waves, n_valid, RATE_HZ)
        found = [recogniser(clearer[i : i + BATCH], n_valid[i : i + BATCH]) for i in range(0, len(waves), BATCH)]
        tables.append(bench.table(trained, recipes, np.concatenate(found)).assign(enhancer=name))
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
    return _named(bench, recipes).assign(enhancer=inputs["enhanced"].enhancer, c=c.numpy())


def _named(bench: Bench, recipes: pd.DataFrame) -> pd.DataFrame:
    """What the rows of a table are of."""
    level = recipes["level"].where(recipes["level_kind"] != "none", np.inf)
    speaker = bench.utterances["speaker"].loc[recipes["utterance"]].to_numpy()
    return recipes[["utterance", "noise"]].assign(level=level, speaker=speaker).reset_index(drop=True)


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
