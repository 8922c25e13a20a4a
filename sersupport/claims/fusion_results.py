"""What arXiv 2512.18298 prints as results: Tables IV to VI, what it says of them, and its explanations."""

from collections.abc import Iterable

import pandas as pd

from sersupport.claims import checks, facts
from sersupport.claims.evidence import (
    ABLATION,
    ADDITIVITY,
    DELETION,
    ENERGY,
    GRID,
    SHAP,
    SPEED,
    Absent,
    Check,
    Claim,
    Evidence,
    written,
)
from sersupport.claims.fusion_method import FUSION, KEY_OF
from sersupport.recipes.bank import ENVIRONMENTS
from sersupport.sound.colours import COLOURS

_SPEECH = ("clean", "noisy")
_WITHOUT = {"noise-": "no noisy rows", "pitch-": "no pitched rows", "": "clean rows only"}

# tables IV to VI ------------------------------------------------------------------------------------------------------


def _cells() -> Iterable[Claim]:
    """Every accuracy of the three tables."""
    unheard = "accuracy on unheard speakers"
    for row in facts.table("2512.18298-table4-clean").itertuples():
        key, text = KEY_OF[row.corpus], f"{row.corpus} alone, clean: accuracy {row.accuracy_pct} %."
        check = checks.score(row.accuracy_pct, "clean", system="D, one corpus", corpus=key)
        yield Claim(FUSION, f"table4-{key}", "Table IV", text, f"{unheard} of that corpus", check)
    for row in facts.table("2512.18298-table5-robustness").rename(columns={"lambda": "level"}).itertuples():
        text = f"{row.noise.replace('_', ' ')}, λ = {row.level}: accuracy {row.accuracy_pct} %."
        check = checks.score(row.accuracy_pct, "grid", system="D", noise=row.noise, level=row.level)
        yield Claim(FUSION, f"table5-{row.noise}-{row.level}", "Table V", text, f"{unheard} and noise sources", check)
    for row in facts.table("2512.18298-table6-ablation").itertuples():
        for speech in _SPEECH:
            value = getattr(row, f"{speech}_accuracy_pct")
            text, check = f"Row {row.row}, {speech}: accuracy {value} %.", checks.score(value, speech, system=row.row)
            yield Claim(FUSION, f"table6-{row.row}-{speech}", "Table VI", text, unheard, check)


def _named(key: str | tuple) -> str:
    """A row of Table IV or V in words."""
    return key if isinstance(key, str) else f"{key[0].replace('_', ' ')} at λ {key[1]}"


def _f1_table(evidence: Evidence, name: str) -> tuple[bool, str]:
    """F1 of a class is a harmonic mean, so no macro or weighted F1 exceeds the mean of its precision and recall."""
    table = getattr(evidence, name)
    bad = table.index[table["f1"] > (table["precision"] + table["recall"]) / 2 + 1e-4]
    words = f"{len(bad)} of {len(table)} rows print an F1 above the mean of precision and recall"
    return bad.empty, f"{words}: {', '.join(map(_named, bad)) or 'none'}"


def _deviations(evidence: Evidence) -> tuple[bool, str]:
    ratio = 100 * evidence.table5["recall_sd"] / evidence.table5["accuracy_sd"]
    return ratio.max() < 3, f"recall's SD is {ratio.min():.0f} to {ratio.max():.0f} times accuracy's, both in points"


def _best_so_far(evidence: Evidence) -> tuple[bool, str]:
    earlier = facts.table("2507.03251-accuracy").set_index("corpus")["accuracy_pct"]
    own = evidence.table4["accuracy_pct"]
    beaten = [f"{name} {earlier[name]} against {own[name]}" for name in own.index if earlier.get(name, 0) > own[name]]
    return not beaten, f"2507.03251 prints more on {len(beaten)} of {len(own)}: {', '.join(beaten) or 'none'}"


# what is said of them -------------------------------------------------------------------------------------------------


def _gain(evidence: Evidence, row: str, other: str) -> float:
    """Points of accuracy in noise that Table VI gives a row more than another."""
    return evidence.table6.loc[row, "noisy_accuracy_pct"] - evidence.table6.loc[other, "noisy_accuracy_pct"]


def _accuracies(evidence: Evidence) -> tuple[pd.DataFrame, pd.Series]:
    """Table VI's accuracies by row and speech, and their falls from clean to noisy speech."""
    table = evidence.table6[["clean_accuracy_pct", "noisy_accuracy_pct"]].set_axis(["clean", "noisy"], axis=1)
    return table, table["clean"] - table["noisy"]


def _points(values: pd.Series) -> str:
    return ", ".join(f"{row} {value:.2f}" for row, value in values.items())


def _white_costs(evidence: Evidence) -> float:
    cells = evidence.table5["accuracy_pct"]
    return cells["white", 0.25] - cells["white", 0.75]


def _extreme_f1(evidence: Evidence) -> tuple[bool, str]:
    row = evidence.table5.loc[("fish_market", 0.75)]
    most = (row["precision"] + row["recall"]) / 2
    return most >= 0.83, f"printed F1 {row['f1']:.4f}; its precision and recall allow {most:.4f} at most"


def _noisy_97(evidence: Evidence) -> tuple[bool, str]:
    given, cells = evidence.table6.loc["D", "noisy_accuracy_pct"], evidence.table5["accuracy_pct"]
    mean, equal = cells.mean(), cells.index[cells == given]
    words = f"printed {given} %, the {len(cells)} cells of Table V have the mean {mean:.2f} %"
    words += f"; {len(equal)} of them equals the figure: {', '.join(map(_named, equal))}"
    return abs(mean - given) < 0.005, words


def _least_loss(evidence: Evidence) -> tuple[bool, str]:
    falls = _accuracies(evidence)[1]
    least = falls.idxmin()
    return least == "D", f"printed falls from clean to noisy: {_points(falls)} points; row {least} falls least"


def _drops(evidence: Evidence) -> tuple[bool, str]:
    table, falls = _accuracies(evidence)
    falls, printed = falls.drop("D"), evidence.table6.loc[["A", "B", "C"], ["clean_drop_pct", "noisy_drop_pct"]]
    gaps = (table.loc["D"] - table).drop("D")
    words = f"printed noisy drops {_points(printed['noisy_drop_pct'])}; clean less noisy {_points(falls)}"
    to_d = "are" if (abs(printed.to_numpy() - gaps) < 0.006).all(axis=None) else "are not"
    as_said = bool((abs(printed["noisy_drop_pct"] - falls) < 0.01).all())
    return as_said, f"{words}; both columns {to_d} the gaps to row D"


def _leap(evidence: Evidence) -> tuple[bool, str]:
    steps = [_gain(evidence, b, a) for a, b in ("BC", "CD")]
    return steps[1] > steps[0], f"printed steps, noisy: B to C {steps[0]:+.2f} points, C to D {steps[1]:+.2f}"


@checks.deferred
def _row_d(evidence: Evidence, axis: str, noises: Iterable[str]) -> pd.DataFrame:
    rows = evidence.unheard(axis)
    return rows[(rows["system"] == "D") & rows["noise"].isin(noises)]


def _loudest_stationary(evidence: Evidence) -> pd.DataFrame:
    rows = _row_d("lambda", COLOURS)(evidence)
    return rows[rows["level"] == rows["level"].max()]


def _stationary_less_environment(axis: str) -> Check:
    parts = _row_d(axis, COLOURS), _row_d(axis, ENVIRONMENTS)
    return checks.difference_of(*parts, f"stationary − environmental at equal {axis}", GRID)


def _percent_less(rate: pd.Series) -> float:
    """How many fewer samples a second row D takes than row B."""
    return 100 * (1 - rate["D"] / rate["B"])


def _throughput(speed: pd.DataFrame) -> tuple[bool, str]:
    rate = speed.set_index("system")["clips_per_s"]
    if not {"B", "D"} <= set(rate.index):
        raise Absent(SPEED, "rows B and D")
    cost = _percent_less(rate)
    return cost < 10, f"row B {rate['B']:.0f}, row D {rate['D']:.0f} clips a second: {cost:.0f} % less"


_TABLES = {
    "f1-table4": checks.holds(_f1_table, "table4"),
    "f1-table5": checks.holds(_f1_table, "table5"),
    "deviations": checks.holds(_deviations),
    "state-of-the-art": checks.measured(_best_so_far),
    "white-5": checks.prints(5, _white_costs, " points", 0.5),
    "extreme-f1": checks.holds(_extreme_f1),
    "stationary-90-here": checks.at_least(90, _loudest_stationary, "stationary noise at the highest λ"),
    "stationary-easier-lambda": _stationary_less_environment("lambda"),
    "stationary-easier-snr": _stationary_less_environment("snr"),
    "hardest-lambda": checks.ranking("lambda", "fish_market", "hardest"),
    "hardest-snr": checks.ranking("snr", "fish_market", "hardest"),
    "easiest-lambda": checks.ranking("lambda", "brown", "easiest"),
    "noisy-97": checks.holds(_noisy_97),
    "gain-12": checks.prints(12.35, lambda e: _gain(e, "D", "B"), " points"),
    "gain-12-here": checks.better("D", "B", "noisy"),
    "transformer-falls-12": checks.prints(12, lambda e: _accuracies(e)[1]["B"], " points", 0.5),
    "drop-column": checks.holds(_drops),
    "gap-12": checks.prints(12, lambda e: _gain(e, "D", "B"), " points", 0.5),
    "most-robust": checks.holds(_least_loss),
    "leap": checks.holds(_leap),
    "spectral-robust-here": checks.falls_less("A", "B"),
}
_PARTS = {
    **{f"fusion-beats-{row}-{speech}": checks.better("D", row, speech) for row in "AB" for speech in _SPEECH},
    **{f"attention-helps-{speech}": checks.better("D", "C", speech) for speech in _SPEECH},
    **{
        f"{kind}augmentation-{speech}": checks.better("baseline", without, speech, ABLATION)
        for kind, without in _WITHOUT.items()
        for speech in _SPEECH
    },
}
_SPEED = {
    "throughput": checks.prints(6, lambda e: _percent_less(e.table6["noisy_samples_per_s"]), " %", 0.5),
    "throughput-here": checks.found(SPEED, _throughput),
}

# explanations ---------------------------------------------------------------------------------------------------------


def _falls_beyond_control(name: str) -> Check:
    """Muting what an explanation marks costs more than muting as much elsewhere."""

    def falls(table: pd.DataFrame) -> pd.Series:
        return table.loc[table["explanation"] == name, "more than control"]

    return checks.mean_of(DELETION, falls, f"{name}, fall beyond control", checks.above)


def _follows_energy(name: str, least: float) -> Check:
    def correlations(table: pd.DataFrame) -> pd.Series:
        return table.get(name, pd.Series(dtype=float))

    return checks.mean_of(ENERGY, correlations, f"{name}, correlation with energy", lambda low, high: low > least)


def _cepstral(table: pd.DataFrame) -> tuple[bool, str]:
    means = table.groupby("descriptor")["importance"].mean()
    listed = ", ".join(f"{name} {value / means.mean():.2f}" for name, value in means.items())
    return means.idxmax() == "MFCC", f"mean |φ| of a feature, relative: {listed}"


def _additive(table: pd.DataFrame) -> tuple[bool, str]:
    shares = table.loc[table["method"].str.contains("SHAP"), "share of the logits' range (%)"]
    if shares.empty:
        raise Absent(ADDITIVITY, "SHAP values")
    share = shares.iloc[0]
    return share < 5, f"the shares fail to add up by {share:.1f} % of the logits' range"


_EXPLAINED = {
    "causal-score-cam": _falls_beyond_control("Score-CAM"),
    "causal-shap": _falls_beyond_control("SHAP"),
    "causal-occlusion": _falls_beyond_control("occlusion"),
    "aligned-score-cam": _follows_energy("Score-CAM", 0.7),
    "aligned-shap": _follows_energy("SHAP", 0.7),
    "silence-score-cam": _follows_energy("Score-CAM", 0),
    "silence-shap": _follows_energy("SHAP", 0),
    "texture-first": checks.found(SHAP, _cepstral),
    "additive": checks.found(ADDITIVITY, _additive),
}

CLAIMS = (*_cells(), *written(_TABLES | _PARTS | _SPEED | _EXPLAINED))
