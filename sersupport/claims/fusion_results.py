"""What arXiv 2512.18298 prints as results: Tables IV to VI, what it says of them, and its explanations."""

from dataclasses import replace

import numpy as np
import pandas as pd

from sersupport.claims import checks, facts
from sersupport.claims.evidence import (
    ABLATION,
    CLEAN,
    DELETION,
    ENERGY,
    FINETUNED,
    GRID,
    KEY_OF,
    PRINT,
    SHAP,
    SPEED,
    Absent,
    Check,
    Evidence,
    Finding,
    written,
)
from sersupport.evaluation.intervals import contrast
from sersupport.evaluation.noise import Axis
from sersupport.evaluation.tables import number_of_sources, uar_of_each
from sersupport.explain.against_untrained import against_untrained, texture_over_energy
from sersupport.recipes.bank import ENVIRONMENTS
from sersupport.sound.colours import COLOURS

_SPEECH = ("clean", "noisy")

# tables IV to VI ------------------------------------------------------------------------------------------------------


def _named(key: str | tuple) -> str:
    """A row of Table IV or V in words."""
    return key if isinstance(key, str) else f"{key[0].replace('_', ' ')} at λ {key[1]}"


def _table4() -> Check:
    printed = facts.table("2512.18298-table4-clean").set_index("corpus")["accuracy_pct"]

    def select(evidence: Evidence, corpus: str) -> pd.DataFrame:
        rows = evidence.artefact(CLEAN)
        return rows[(rows["system"] == "D, one corpus") & (rows["corpus"] == KEY_OF[corpus])]

    return checks.cells(printed.to_dict(), select, CLEAN, each_alone=True)


def _table5() -> Check:
    table = facts.table("2512.18298-table5-robustness").set_index(["noise", "lambda"])["accuracy_pct"]
    cell_of = {_named(key): key for key in table.index}

    def select(evidence: Evidence, cell: str) -> pd.DataFrame:
        rows, (noise, level) = evidence.unheard("lambda"), cell_of[cell]
        return rows[(rows["system"] == "D") & (rows["noise"] == noise) & (rows["level"] == level)]

    return checks.cells({_named(key): value for key, value in table.items()}, select, GRID, tuned=True)


def _table6(speech: tuple[str, ...] = _SPEECH) -> Check:
    table = facts.table("2512.18298-table6-ablation").set_index("row")
    cell_of = {f"{row} {kind}": (row, kind) for kind in speech for row in table.index}

    def select(evidence: Evidence, cell: str) -> pd.DataFrame:
        row, kind = cell_of[cell]
        rows = evidence.speech(kind)
        return rows[rows["system"] == row]

    printed = {cell: float(table.loc[row, f"{kind}_accuracy_pct"]) for cell, (row, kind) in cell_of.items()}
    return checks.cells(printed, select, GRID, tuned=True)


_AVERAGES = (
    "impossible where all three are averaged over the classes alike, possible where, say, F1 alone is weighted by their"
    " sizes; which averages they are is not printed"
)


def _f1_table(evidence: Evidence, name: str) -> str:
    """F1 of a class is a harmonic mean: averaged alike, it never exceeds the mean of precision and recall."""
    table = getattr(evidence, name)
    bad = table.index[table["f1"] > (table["precision"] + table["recall"]) / 2 + 1e-4]
    words = f"{len(bad)} of {len(table)} rows print an F1 above the mean of precision and recall"
    return f"{words}, {_AVERAGES}: {', '.join(map(_named, bad)) or 'none'}"


def _best_so_far(evidence: Evidence) -> str:
    earlier = facts.table("2507.03251-accuracy").set_index("corpus")["accuracy_pct"]
    own = evidence.table4["accuracy_pct"]
    beaten = [f"{name} {earlier[name]} against {own[name]}" for name in own.index if earlier.get(name, 0) > own[name]]
    words = f"2507.03251 prints more on {len(beaten)} of {len(own)}: {', '.join(beaten) or 'none'}"
    split = "2512.18298 names no split, 2507.03251 says 80/20 and not of what"
    return f"{words}; {split}, so the figures are of no common test"


# what is said of them -------------------------------------------------------------------------------------------------


def _gain(evidence: Evidence, row: str, other: str) -> float:
    """Points of accuracy in noise that Table VI gives a row more than another."""
    return evidence.table6.loc[row, "noisy_accuracy_pct"] - evidence.table6.loc[other, "noisy_accuracy_pct"]


def _gains(evidence: Evidence) -> tuple[bool, str]:
    white, rate = evidence.table5["accuracy_pct"]["white"], evidence.table6["noisy_samples_per_s"]
    own = (white[0.25] - white[0.75], _gain(evidence, "D", "B"), 100 * (1 - rate["D"] / rate["B"]))
    right = [
        abs(value - said) <= slack for value, said, slack in zip(own, (5, 12.35, 6), (0.5, 0.005, 0.5), strict=True)
    ]
    return all(right), f"recomputed: {own[0]:.2f} points, {own[1]:.2f} points, {own[2]:.2f} %"


def _extreme_f1(evidence: Evidence) -> str:
    row = evidence.table5.loc[("fish_market", 0.75)]
    most = (row["precision"] + row["recall"]) / 2
    return f"printed F1 {row['f1']:.4f}, mean of its precision and recall {most:.4f}: {_AVERAGES}"


def _noisy_set(evidence: Evidence) -> str:
    given, cells = evidence.table6.loc["D", "noisy_accuracy_pct"], evidence.table5["accuracy_pct"]
    equal = ", ".join(map(_named, cells.index[cells == given])) or "none"
    return (
        f"that set is not defined in print, so nothing can be held against {given} %; of Table V's {len(cells)} cells,"
        f" mean {cells.mean():.2f} %, this one equals it: {equal}"
    )


def _transformer(evidence: Evidence) -> tuple[bool, str]:
    row = evidence.table6.loc["B"]
    fall = row["clean_accuracy_pct"] - row["noisy_accuracy_pct"]
    words = f"{row['clean_accuracy_pct']} − {row['noisy_accuracy_pct']} = {fall:.2f} points"
    return fall > 12, f"{words}; {_gain(evidence, 'D', 'B'):.2f} is its distance from row D"


def _leap(evidence: Evidence) -> tuple[list[bool], str]:
    """Whether attentive pooling takes the largest step, in points and as a share of the errors that are left."""
    wrong = 100 - evidence.table6["noisy_accuracy_pct"]
    steps = {f"{a} to {b}": (wrong[a] - wrong[b], 100 * (1 - wrong[b] / wrong[a])) for a, b in ("AC", "BC", "CD")}
    said = ", ".join(f"{step} {points:+.2f} ({share:.0f} % of the errors)" for step, (points, share) in steps.items())
    *others, own = steps.values()
    readings = [own[of] > step[of] for of in (0, 1) for step in others]
    return readings, f"printed steps in noise, points: {said}; which is decisive depends on what it is measured from"


@checks.deferred
def _keeps_more(evidence: Evidence, first: str, second: str) -> Finding:
    """What noise takes from a row, and what share it leaves: one that starts low has little to lose."""
    noisy, grid = evidence.speech("noisy"), evidence.artefact(GRID)
    rows = pd.concat([noisy, grid[grid["condition"] == "clean"]])
    kinds = [rows["condition"] != "clean", rows["condition"] == "clean"]
    parts = [rows[kind & (rows["system"] == row)] for row in (first, second) for kind in kinds]
    if any(part.empty for part in parts):
        raise Absent(GRID, f"rows {first} and {second} on clean speech and in environmental noise")
    pairs = Axis(pd.concat(parts), "lambda", evidence.samples).between_systems().set_index("measure")
    share = pairs.loc["retained"].to_dict()
    if np.isnan(share["difference"]):
        raise Absent(CLEAN, f"rows {first} and {second} above chance, or else there is nothing to lose,")
    change = contrast(parts, [1, -1, -1, 1], samples=evidence.samples, sources=True)
    both = {"change of UAR in environmental noise": change, "share of the UAR above chance that it leaves": share}
    shown = "; ".join(f"{name} {gap['difference']:+.3f}" for name, gap in both.items())
    gaps = [(f"{first} − {second}: {shown}; the less sure, {name}", gap) for name, gap in both.items()]
    return checks.weakest(evidence, gaps, GRID, "")


@checks.deferred
def _stationary_easier(evidence: Evidence, axis: str) -> Finding:
    rows = evidence.unheard(axis)
    rows = rows[(rows["system"] == "D") & rows["noise"].isin([*COLOURS, *ENVIRONMENTS])]
    several = [name for name, own in rows.groupby("noise", sort=False) if number_of_sources(own) != 1]
    stationary, environmental = ([name for name in names if name in several] for names in (COLOURS, ENVIRONMENTS))
    level = "λ" if axis == "lambda" else "SNR"
    if not stationary or not environmental:
        raise Absent(GRID, f"row D in stationary and, from two recordings or more, environmental noise by {level}")
    others = {name: -1 / len(environmental) for name in environmental}
    rest = f"environmental ({', '.join(environmental).replace('_', ' ')}) at equal {level}"
    rest += f", the least sure of {len(stationary)} stationary noises"
    weights = {f"{name} − {rest}": {name: 1} | others for name in stationary}
    return checks.weakest(evidence, checks.over_noises(evidence, rows, weights), GRID)


def _throughput(evidence: Evidence) -> tuple[list[bool], str]:
    """Operations at published sizes, and clips a second as this run measured them."""
    from sersupport.systems.sizes import count_operations

    printed, here = evidence.table6["noisy_samples_per_s"], evidence.artefact(SPEED).set_index("system")["clips_per_s"]
    if not {"B", "D"} <= set(here.index):
        raise Absent(SPEED, "rows B and D")
    counted = {row: count_operations(row) for row in "BD"}
    ratios = (printed["D"] / printed["B"], counted["B"] / counted["D"], here["D"] / here["B"])
    said, cost, slower = (100 * (1 - ratio) for ratio in ratios)
    words = ", ".join(f"row {row} {number / 1e9:.1f} GFLOP a clip" for row, number in counted.items())
    words += f": at equal speed {cost:.1f} % fewer clips; timed here, analysis of the signal included, {slower:.1f} %"
    # where row D comes out faster than its own part, other work of the machine was timed
    return [cost <= said, 0 <= slower <= said], f"{words}; printed {said:.2f} %"


@checks.deferred
def _over_temporal(evidence: Evidence, speech: str) -> Finding:
    """Row D beside row B, as all rows are trained here and, where there are such, with the encoder trained along."""
    found = {"rows of Table VI": checks.compared(evidence, "D", "B", speech)}
    for encoder, rows in _trained_along(evidence, speech).groupby("encoder", sort=False):
        parts = [rows[rows["system"] == row] for row in "DB"]
        words = f"D − B, {rows['speaker'].nunique()} speakers"
        found[f"{encoder} trained along"] = checks.paired(evidence, parts, words, FINETUNED, speech)
    whole = checks.in_setting(evidence, checks.less_sure(found), tuned=True)
    frozen = "encoder frozen"
    return replace(whole, evidence=whole.evidence.replace(frozen, f"{frozen} where not trained along"))


def _trained_along(evidence: Evidence, speech: str) -> pd.DataFrame:
    """Predictions of rows B and D whose encoder is trained; none where the run has none."""
    try:
        rows = evidence.artefact(FINETUNED)
    except Absent:
        return pd.DataFrame({"encoder": []})
    if rows.empty:
        return rows
    rows = rows[(rows["encoder_is"] == "fine-tuned") & ((rows["speech"] == "clean") == (speech == "clean"))]
    return rows[rows["level"] == rows["level"].max()]


@checks.deferred
def _attention(evidence: Evidence, speech: str) -> Finding:
    """With equal settings, and with each one's own as Table VI compares them: the less sure of both."""
    found = {
        "equal settings": checks.compared(evidence, "baseline", "mean pooling", speech, ABLATION),
        "settings of each chosen": checks.compared(evidence, "D", "C", speech),
    }
    return checks.in_setting(evidence, checks.less_sure(found))


def _augmentation(evidence: Evidence) -> Finding:
    """All copies against none, and beside it what leaving out one kind of them costs."""
    found = checks.better("baseline", "clean rows only", "noisy", ABLATION)(evidence)
    rows = evidence.artefact(ABLATION)
    uar = uar_of_each(rows[rows["condition"] != "clean"], "system")
    kinds = [name for name in ("no noisy rows", "no pitched rows") if name in uar]
    said = ", ".join(f"{name} {uar['baseline'] - uar[name]:+.3f}" for name in kinds)
    return replace(found, evidence=f"{found.evidence}; less each kind alone: {said or 'not in this run'}")


_TABLES = {"table4": _table4(), "table5": _table5(), "table6": _table6()}
_PRINT = {
    "f1-table4": checks.undefined(_f1_table, "table4"),
    "f1-table5": checks.undefined(_f1_table, "table5"),
    "extreme-f1": checks.undefined(_extreme_f1),
    "gains-add-up": checks.holds(_gains),
    "transformer-falls-12": checks.holds(_transformer),
    "leap": checks.agreeing(PRINT, _leap),
    "noisy-97": checks.undefined(_noisy_set),
    "state-of-the-art": checks.undefined(_best_so_far),
    "throughput": checks.agreeing(SPEED, _throughput),
}
_NOISE = {
    "spectral-robust": _keeps_more("A", "B"),
    "stationary-easier-lambda": _stationary_easier("lambda"),
    "stationary-easier-snr": _stationary_easier("snr"),
    "hardest-lambda": checks.extreme("lambda", "fish_market", (*COLOURS, *ENVIRONMENTS), "hardest"),
    "hardest-snr": checks.extreme("snr", "fish_market", (*COLOURS, *ENVIRONMENTS), "hardest"),
    "easiest-lambda": checks.extreme("lambda", "brown", (*COLOURS, *ENVIRONMENTS), "easiest"),
}
_PARTS = {
    "fusion-beats-A-clean": checks.better("D", "A", "clean"),
    "fusion-beats-A-noisy": checks.better("D", "A", "loud"),
    "fusion-beats-B-clean": _over_temporal("clean"),
    "fusion-beats-B-noisy": _over_temporal("loud"),
    **{f"attention-helps-{speech}": _attention(speech) for speech in _SPEECH},
    "augmentation": _augmentation,
}

# explanations ---------------------------------------------------------------------------------------------------------

TIGHT = 0.7  # a rank correlation from which on it is called high (Mukaka 2012, Malawi Medical Journal 24(3))


@checks.deferred
def _learnt(
    evidence: Evidence, artefact: str, quantity: str, explanation: str, words: str, least: float | None = None
) -> Finding:
    """A trained model's explanations show more of something than untrained ones' and, on their own, enough of it."""
    table = evidence.artefact(artefact)
    table = texture_over_energy(table) if artefact == SHAP else table
    rows = table[table["explanation"] == explanation]
    if rows.empty:
        raise Absent(artefact, explanation)
    gap = against_untrained(rows, quantity).iloc[0].to_dict()
    words = f"{words}: trained {gap['trained']:.3f}, untrained {gap['untrained']:.3f}"
    flat = rows[quantity].isna().groupby(rows["model"]).agg(["sum", "size"])
    if flat["sum"].any():
        words += (
            f"; flat, so without a value: {', '.join(f'{n} of {of} {model}' for model, n, of in flat.itertuples())}"
        )
    gaps = [(f"{words}; difference", gap)]
    if least is not None:
        own = {end: gap[name] - least for end, name in zip(_ENDS, _TRAINED, strict=True)} | {
            "speakers": gap["speakers"]
        }
        words += f"; difference {gap['difference']:+.3f} ({gap['low']:+.3f} to {gap['high']:+.3f})"
        gaps.append((f"{words}; trained beyond {least:g}", own | {"p": checks.p_of(own)}))
    return checks.weakest(evidence, gaps, artefact, "")


_ENDS, _TRAINED = ("difference", "low", "high"), ("trained", "trained_low", "trained_high")
_EXPLAINED = {
    "causal-score-cam": _learnt(DELETION, "controls_beaten", "Score-CAM", "share of controls that cost less", 0.5),
    "causal-shap": _learnt(DELETION, "controls_beaten", "SHAP", "share of controls that cost less", 0.5),
    "aligned-score-cam": _learnt(ENERGY, "correlation", "Score-CAM", "correlation with energy", TIGHT),
    "aligned-shap": _learnt(ENERGY, "correlation", "SHAP", "correlation with energy", TIGHT),
    "texture-first": _learnt(SHAP, "log2_ratio", "SHAP", "log2 of cepstral over energy features"),
}

CLAIMS = written(_TABLES | _PRINT | _NOISE | _PARTS | _EXPLAINED)
