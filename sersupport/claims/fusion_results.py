"""What arXiv 2512.18298 prints as results: Tables IV to VI, what it says of them, and its explanations."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pandas as pd

from sersupport.claims import facts
from sersupport.claims.checks import (
    Rows,
    above,
    at_least,
    better,
    difference_of,
    falls_less,
    found,
    holds,
    mean_of,
    measured,
    prints,
    ranking,
    score,
)
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
)
from sersupport.claims.fusion_method import FUSION, KEY_OF
from sersupport.recipes.bank import ENVIRONMENTS
from sersupport.sound.colours import COLOURS

# tables IV to VI ------------------------------------------------------------------------------------------------------


def _cells() -> Iterable[Claim]:
    """Every accuracy of the three tables."""
    unheard = "accuracy on unheard speakers"
    for row in facts.table("2512.18298-table4-clean").itertuples():
        key, text = KEY_OF[row.corpus], f"{row.corpus} alone, clean: accuracy {row.accuracy_pct} %."
        check = score(row.accuracy_pct, "clean", system="D, one corpus", corpus=key)
        yield Claim(FUSION, f"table4-{key}", "Table IV", text, f"{unheard} of that corpus", check)
    for row in facts.table("2512.18298-table5-robustness").rename(columns={"lambda": "level"}).itertuples():
        text = f"{row.noise.replace('_', ' ')}, λ = {row.level}: accuracy {row.accuracy_pct} %."
        check = score(row.accuracy_pct, "grid", system="D", noise=row.noise, level=row.level)
        yield Claim(FUSION, f"table5-{row.noise}-{row.level}", "Table V", text, f"{unheard} and noise sources", check)
    for row in facts.table("2512.18298-table6-ablation").itertuples():
        for speech in ("clean", "noisy"):
            value = getattr(row, f"{speech}_accuracy_pct")
            text, check = f"Row {row.row}, {speech}: accuracy {value} %.", score(value, speech, system=row.row)
            yield Claim(FUSION, f"table6-{row.row}-{speech}", "Table VI", text, unheard, check)


def _named(key: str | tuple) -> str:
    """A row of Table IV or V in words."""
    return key if isinstance(key, str) else f"{key[0].replace('_', ' ')} at λ {key[1]}"


def _f1_table(name: str) -> Check:
    """F1 of a class is a harmonic mean, so no macro or weighted F1 exceeds the mean of its precision and recall."""

    def statement(evidence: Evidence) -> tuple[bool, str]:
        table = getattr(evidence, name)
        bad = table.index[table["f1"] > (table["precision"] + table["recall"]) / 2 + 1e-4]
        words = f"{len(bad)} of {len(table)} rows print an F1 above the mean of precision and recall"
        return bad.empty, f"{words}: {', '.join(map(_named, bad)) or 'none'}"

    return holds(statement)


def _deviations(evidence: Evidence) -> tuple[bool, str]:
    ratio = 100 * evidence.table5["recall_sd"] / evidence.table5["accuracy_sd"]
    return ratio.max() < 3, f"recall's SD is {ratio.min():.0f} to {ratio.max():.0f} times accuracy's, both in points"


def _best_so_far(evidence: Evidence) -> tuple[bool, str]:
    earlier = facts.table("2507.03251-accuracy").set_index("corpus")["accuracy_pct"]
    own = evidence.table4["accuracy_pct"]
    beaten = [f"{name} {earlier[name]} against {own[name]}" for name in own.index if earlier.get(name, 0) > own[name]]
    return not beaten, f"2507.03251 prints more on {len(beaten)} of {len(own)}: {', '.join(beaten) or 'none'}"


# what is said of them -------------------------------------------------------------------------------------------------

Number = Callable[[Evidence], float]


def _six(row: str, column: str = "noisy_accuracy_pct") -> Number:
    return lambda e: e.table6.loc[row, column]


def _less(first: Number, second: Number) -> Number:
    return lambda e: first(e) - second(e)


def _accuracies(evidence: Evidence) -> tuple[pd.DataFrame, pd.Series]:
    """Table VI's accuracies by row and speech, and their falls from clean to noisy speech."""
    table = evidence.table6[["clean_accuracy_pct", "noisy_accuracy_pct"]].set_axis(["clean", "noisy"], axis=1)
    return table, table["clean"] - table["noisy"]


def _points(values: pd.Series) -> str:
    return ", ".join(f"{row} {value:.2f}" for row, value in values.items())


def _extreme_f1(evidence: Evidence) -> tuple[bool, str]:
    row = evidence.table5.loc[("fish_market", 0.75)]
    most = (row["precision"] + row["recall"]) / 2
    return most >= 0.83, f"printed F1 {row['f1']:.4f}; its precision and recall allow {most:.4f} at most"


def _noisy_97(evidence: Evidence) -> tuple[bool, str]:
    given, cells = _six("D")(evidence), evidence.table5["accuracy_pct"]
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
    steps = [_less(_six(b), _six(a))(evidence) for a, b in ("BC", "CD")]
    return steps[1] > steps[0], f"printed steps, noisy: B to C {steps[0]:+.2f} points, C to D {steps[1]:+.2f}"


def _loudest_stationary(evidence: Evidence) -> pd.DataFrame:
    rows = evidence.speech("grid")
    rows = rows[rows["noise"].isin(COLOURS) & (rows["system"] == "D")]
    return rows[rows["level"] == rows["level"].max()]


def _stationary_less_environment(axis: str) -> Check:
    def of(kinds: Iterable[str]) -> Rows:
        def select(evidence: Evidence) -> pd.DataFrame:
            rows = evidence.unheard(axis)
            return rows[(rows["system"] == "D") & rows["noise"].isin(kinds)]

        return select

    return difference_of(of(COLOURS), of(ENVIRONMENTS), f"stationary − environmental at equal {axis}", GRID)


def _throughput(speed: pd.DataFrame) -> tuple[bool, str]:
    rate = speed.set_index("system")["clips_per_s"]
    if not {"B", "D"} <= set(rate.index):
        raise Absent(f"rows B and D in `{SPEED}`", SPEED)
    cost = 100 * (1 - rate["D"] / rate["B"])
    return cost < 10, f"row B {rate['B']:.0f}, row D {rate['D']:.0f} clips a second: {cost:.0f} % less"


def _parts() -> Iterable[Claim]:
    """What each part of the system is said to bring."""
    for row in "AB":
        for speech in ("clean", "noisy"):
            text, test = f"Fusion beats row {row} alone on {speech} speech.", "paired difference of UAR over speakers"
            yield Claim(FUSION, f"fusion-beats-{row}-{speech}", "contribution 2", text, test, better("D", row, speech))
    for speech in ("clean", "noisy"):
        text, test = (
            f"Attentive pooling beats mean pooling on {speech} speech.",
            "paired difference of rows D and C over speakers",
        )
        yield Claim(FUSION, f"attention-helps-{speech}", "IV-C", text, test, better("D", "C", speech))
    for kind, without in (("noise", "no noisy rows"), ("pitch", "no pitched rows"), ("", "clean rows only")):
        for speech in ("clean", "noisy"):
            name = f"{kind.capitalize()} augmentation" if kind else "Fourfold augmentation"
            yield Claim(
                FUSION,
                f"{kind}-augmentation-{speech}".removeprefix("-"),
                "III-C",
                f"{name} helps on {speech} speech.",
                "baseline less the row without it, equal steps",
                better("baseline", without, speech, ABLATION),
            )


_TABLES = {
    "f1-table4": _f1_table("table4"),
    "f1-table5": _f1_table("table5"),
    "deviations": holds(_deviations),
    "state-of-the-art": measured(_best_so_far),
    "white-5": prints(
        5,
        lambda e: e.table5.loc[("white", 0.25), "accuracy_pct"] - e.table5.loc[("white", 0.75), "accuracy_pct"],
        " points",
        0.5,
    ),
    "extreme-f1": holds(_extreme_f1),
    "stationary-90-here": at_least(90, _loudest_stationary, "stationary noise at the highest λ"),
    "stationary-easier-lambda": _stationary_less_environment("lambda"),
    "stationary-easier-snr": _stationary_less_environment("snr"),
    "hardest-lambda": ranking("lambda", "fish_market", "hardest"),
    "hardest-snr": ranking("snr", "fish_market", "hardest"),
    "easiest-lambda": ranking("lambda", "brown", "easiest"),
    "noisy-97": holds(_noisy_97),
    "gain-12": prints(12.35, _less(_six("D"), _six("B")), " points"),
    "gain-12-here": better("D", "B", "noisy"),
    "transformer-falls-12": prints(12, _less(_six("B", "clean_accuracy_pct"), _six("B")), " points", 0.5),
    "drop-column": holds(_drops),
    "gap-12": prints(12, _less(_six("D"), _six("B")), " points", 0.5),
    "most-robust": holds(_least_loss),
    "leap": holds(_leap),
    "spectral-robust-here": falls_less("A", "B"),
}
_SPEED = {
    "throughput": prints(
        6, lambda e: 100 * (1 - _six("D", "noisy_samples_per_s")(e) / _six("B", "noisy_samples_per_s")(e)), " %", 0.5
    ),
    "throughput-here": found(SPEED, _throughput),
}

# explanations ---------------------------------------------------------------------------------------------------------


def _explained() -> Iterable[Claim]:
    titles = {"score-cam": "Score-CAM", "shap": "SHAP", "occlusion": "occlusion"}
    for id, name in titles.items():
        text = f"Muting what {name} marks makes confidence collapse, which proves causation."
        check = mean_of(DELETION, _beyond_control(name), f"{name}, fall beyond control", above)
        yield Claim(FUSION, f"causal-{id}", "V-A2", text, "fall beyond that of muting as much elsewhere", check)
    for kind, place, says, test, expect in (
        (
            "aligned",
            "V-A",
            "aligns tightly with high-energy speech",
            "frame energy above 0.7",
            lambda low, high: low > 0.7,
        ),
        ("silence", "V-B3", "gives silence little weight", "energy above zero", above),
    ):
        for id in ("score-cam", "shap"):
            name = titles[id]
            check = mean_of(ENERGY, _column(name), f"{name}, correlation with energy", expect)
            yield Claim(FUSION, f"{kind}-{id}", place, f"{name} {says}.", f"rank correlation with {test}", check)


def _beyond_control(name: str) -> Callable[[pd.DataFrame], pd.Series]:
    return lambda table: table.loc[table["explanation"] == name, "more than control"]


def _column(name: str) -> Callable[[pd.DataFrame], pd.Series]:
    return lambda table: table.get(name, pd.Series(dtype=float))


def _cepstral(table: pd.DataFrame) -> tuple[bool, str]:
    means = table.groupby("descriptor")["importance"].mean()
    listed = ", ".join(f"{name} {value / means.mean():.2f}" for name, value in means.items())
    return means.idxmax() == "MFCC", f"mean |φ| of a feature, relative: {listed}"


def _additive(table: pd.DataFrame) -> tuple[bool, str]:
    shares = table.loc[table["method"].str.contains("SHAP"), "share of the logits' range (%)"]
    if shares.empty:
        raise Absent(f"SHAP values in `{ADDITIVITY}`", ADDITIVITY)
    share = shares.iloc[0]
    return share < 5, f"the shares fail to add up by {share:.1f} % of the logits' range"


_EXPLAINED = {"texture-first": found(SHAP, _cepstral), "additive": found(ADDITIVITY, _additive)}


def _written(checks: dict[str, Check]) -> Iterable[Claim]:
    return (Claim.written(id, check) for id, check in checks.items())


CLAIMS = (
    *_cells(),
    *_written(_TABLES),
    *_parts(),
    *_written(_SPEED),
    *_explained(),
    *_written(_EXPLAINED),
)
