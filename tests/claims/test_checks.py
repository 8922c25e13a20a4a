"""Verdicts follow from numbers and flip with them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import recall_score

from sersupport.claims.checks import above, better, cells, extreme, holds, no_gap, p_of, weakest, within_margin
from sersupport.claims.evidence import (
    ABLATION,
    CLEAN,
    DELETION,
    ENCODER,
    ENERGY,
    FINETUNED,
    GRID,
    LADDER,
    PRINT,
    PROBED,
    SHAP,
    SPEED,
)
from sersupport.claims.ledger import CLAIMS, ledger
from sersupport.claims.verdicts import (
    CONSISTENT,
    CONTRADICTED,
    MARGIN,
    NOT_REPRODUCED,
    NOT_TESTABLE,
    REPRODUCED,
    SETTING_DIFFERS,
    UNDECIDED,
)
from sersupport.recipes.bank import ENVIRONMENTS
from sersupport.sound.colours import COLOURS

PAPERS_OWN = {"name": "facebook/wav2vec2-base", "cnn_width": 1.0, "frozen": False, "n_mfcc": 40}
OURS = {"name": "openai/whisper-base", "cnn_width": 0.0625, "frozen": True, "n_mfcc": 20}
ALL_FOUR = ("ravdess", "cremad", "tess", "savee")


def check_of(id):
    return next(claim.check for claim in CLAIMS if claim.id == id)


def test_a_changed_figure_flips_a_verdict(evidence, judge):
    printed = holds(lambda e: (e.table6.loc["D", "noisy_accuracy_pct"] == 97.28, "words"))
    found = evidence()
    assert judge(printed, found).verdict == CONSISTENT and judge(printed, found).source == PRINT
    found.table6.loc["D", "noisy_accuracy_pct"] += 0.1
    assert judge(printed, found).verdict == CONTRADICTED


def everywhere(predictions, share):
    """Row D on each corpus alone, right with some probability."""
    parts = [predictions({"D, one corpus": share}, 10, corpus=name, seed=i) for i, name in enumerate(ALL_FOUR)]
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize(("share", "verdict"), [(0.6, NOT_REPRODUCED), (0.95, REPRODUCED)])
def test_printed_scores_are_judged_in_the_paper_s_setting_only(predictions, evidence, judge, share, verdict):
    rows = everywhere(predictions, share)
    printed = dict.fromkeys(ALL_FOUR, 95.0)
    check = cells(printed, lambda e, name: rows[rows["corpus"] == name], CLEAN)
    same = judge(check, evidence({CLEAN: rows, ENCODER: PAPERS_OWN}))
    assert (
        same.verdict == verdict
        and f"here {100 * (rows['true'] == rows['predicted'])[:420].mean():.1f}" in same.evidence
    )
    other = judge(check, evidence({CLEAN: rows, ENCODER: OURS}))
    assert other.verdict == SETTING_DIFFERS
    assert (
        "encoder openai/whisper-base in place of Wav2Vec 2.0 base, encoder frozen, 1/16 of the filters"
        in other.evidence
    )
    fewer = judge(check, evidence({CLEAN: rows[rows["corpus"] != "tess"], ENCODER: PAPERS_OWN}))
    assert fewer.verdict == SETTING_DIFFERS and "This run: without TESS" in fewer.evidence
    assert judge(check, evidence({CLEAN: rows, ENCODER: OURS}, synthetic=True)).verdict == NOT_TESTABLE
    alone = cells(printed, lambda e, name: rows[rows["corpus"] == name], CLEAN, each_alone=True)
    fewer = judge(alone, evidence({CLEAN: rows[rows["corpus"] != "tess"], ENCODER: PAPERS_OWN}))
    assert fewer.verdict == verdict, "a score of one corpus needs no other"
    lacking = judge(cells(printed, lambda e, name: rows[:0], CLEAN), evidence({CLEAN: rows}))
    assert lacking.verdict == NOT_TESTABLE and lacking.source == CLEAN


@pytest.mark.parametrize(
    ("noisy", "verdict"),
    [({"A": 0.45, "B": 0.4}, REPRODUCED), ({"A": 0.2, "B": 0.85}, NOT_REPRODUCED), ({"A": 0.42, "B": 0.7}, UNDECIDED)],
)
def test_what_noise_leaves_is_looked_at_on_clean_and_noisy_speech(predictions, evidence, judge, noisy, verdict):
    """By what it takes and by the share that it leaves, which may disagree: then nothing is decided.

    Clean speech was once taken from where Axis did not see it, and the claim could never be tested.
    """
    clean = predictions({"A": 0.5, "B": 0.9}, each=12)
    parts = [
        predictions(noisy, each=12, noise=name, condition=f"{name}@{level}", level_kind="lambda", level=level)
        for name in ENVIRONMENTS for level in (0.25, 0.75)
    ]  # fmt: skip
    found = judge(check_of("spectral-robust"), evidence({GRID: pd.concat([clean, *parts], ignore_index=True)}))
    assert found.verdict == verdict and found.source == GRID
    lacking = judge(check_of("spectral-robust"), evidence({GRID: pd.concat(parts)}))
    assert lacking.verdict == NOT_TESTABLE and "clean speech" in lacking.evidence


@pytest.mark.parametrize(("gain", "verdict"), [(0.3, REPRODUCED), (0.0, UNDECIDED), (-0.3, NOT_REPRODUCED)])
def test_one_system_better_than_another(predictions, evidence, judge, gain, verdict):
    """What chance explains decides nothing, neither for a claim nor against it."""
    rows = predictions({"D": 0.6 + gain, "B": 0.6}, seed=3)
    found = judge(better("D", "B", "clean"), evidence({CLEAN: rows}))
    assert found.verdict == verdict and (found.low <= 0 <= found.high) == (verdict == UNDECIDED)
    assert judge(better("D", "B", "clean"), evidence({CLEAN: rows}, synthetic=True)).verdict == NOT_TESTABLE
    one = rows[rows["speaker"] == "s0"]
    assert judge(better("D", "B", "clean"), evidence({CLEAN: one})).verdict == NOT_TESTABLE


def test_a_claim_is_no_surer_than_the_folds_are(predictions, evidence, judge):
    """Two folds of three bear it out, the third does not: over speakers it is sure, over folds it is not."""
    skill = [{"D": 0.9, "B": 0.5}, {"D": 0.9, "B": 0.5}, {"D": 0.6, "B": 0.6}]
    parts = [predictions(own, 8, seed=n, fold=n) for n, own in enumerate(skill)]
    rows = pd.concat([part.assign(speaker=part["speaker"] + str(n)) for n, part in enumerate(parts)])
    found = judge(better("D", "B", "clean"), evidence({CLEAN: rows}))
    uar = [
        [
            recall_score(own["true"], own["predicted"], average="macro")
            for own in (part[part["system"] == name] for part in parts)
        ]
        for name in "DB"
    ]
    assert found.low > 0 and found.verdict == UNDECIDED and "less sure over folds" in found.evidence
    assert found.p == pytest.approx(stats.ttest_rel(*uar).pvalue)
    alike = pd.concat([predictions(skill[0], 8, seed=n, fold=n) for n in range(3)])
    assert judge(better("D", "B", "clean"), evidence({CLEAN: alike})).verdict == REPRODUCED


def test_what_a_build_does_not_show_is_said_with_its_setting(predictions, evidence, judge):
    rows = predictions({"D": 0.5, "B": 0.8}, corpus="ravdess")
    found = judge(better("D", "B", "clean"), evidence({CLEAN: rows, ENCODER: OURS}))
    assert found.verdict == NOT_REPRODUCED and "This run: encoder openai/whisper-base" in found.evidence
    assert "encoder frozen" in found.evidence and "without TESS, CREMA-D, SAVEE" in found.evidence
    assert "20 MFCC in place of 40" in found.evidence and "speakers apart" in found.evidence
    assert "1/16 of the filters, tuned about it" in found.evidence, "rows have settings of their own"
    rows = predictions({"baseline": 0.5, "mean pooling": 0.8}, corpus="ravdess")
    check = better("baseline", "mean pooling", "clean", ABLATION)
    found = judge(check, evidence({CLEAN: rows, ABLATION: rows, ENCODER: OURS}))
    assert "tuned" not in found.evidence, "the ablation has the run's own settings"


@pytest.mark.parametrize(
    ("along", "verdict"),
    [(None, NOT_REPRODUCED), ((0.8, 0.5), UNDECIDED), ((0.5, 0.8), NOT_REPRODUCED), ((0.7, 0.72), UNDECIDED)],
)
def test_fusion_is_judged_also_where_the_encoder_is_trained_along(predictions, evidence, judge, along, verdict):
    """Frozen, the temporal branch led, and the claim fell; trained along, as in the paper, the whole did."""
    rows = {CLEAN: predictions({"D": 0.5, "B": 0.8}, 12, seed=1), ENCODER: OURS}
    if along is not None:
        tuned = predictions(dict(zip("DB", along, strict=True)), 12, seed=2, level=0.0, speech="clean")
        frozen = predictions({"D": 0.1, "B": 0.9}, 12, seed=3, level=0.0, speech="clean")
        both = pd.concat([tuned.assign(encoder_is="fine-tuned"), frozen.assign(encoder_is="frozen")])
        rows[FINETUNED] = both.assign(encoder="w2v2-mini")
    found = judge(check_of("fusion-beats-B-clean"), evidence(rows))
    assert found.verdict == verdict
    assert ("w2v2-mini trained along: D − B, 12 speakers" in found.evidence) == (along is not None)
    assert "encoder frozen where not trained along" in found.evidence


def test_loud_noise_is_that_at_the_highest_level(predictions, evidence, judge):
    """The paper's gain is one in high-intensity noise; all levels were judged together."""
    parts = [
        grid(predictions, "lambda", {ENVIRONMENTS[0]: share}).assign(system=system, level=level)
        for system, level, share in (("D", 0.25, 0.2), ("D", 0.75, 0.8), ("B", 0.25, 0.8), ("B", 0.75, 0.2))
    ]
    found = judge(check_of("fusion-beats-B-noisy"), evidence({GRID: pd.concat(parts)}))
    assert found.verdict == REPRODUCED and "noise at λ 0.75" in found.evidence


def test_a_claim_of_one_corpus_is_judged_on_that(predictions, evidence, judge):
    """Of CREMA-D's many speakers a run on RAVDESS once said that they did not keep a model from learning voices."""
    rungs = ("utterance-grouped", "speaker-disjoint")

    def ladder(corpus):
        parts = [predictions({"D": 0.7}, 24, seed=0, corpus=corpus, protocol=name) for name in rungs]
        return pd.concat(parts, ignore_index=True)

    both = {LADDER: ladder("ravdess"), PROBED: ladder("ravdess")}
    lacking = judge(check_of("no-speaker-overfitting"), evidence(both))
    assert lacking.verdict == NOT_TESTABLE and "on CREMA-D" in lacking.evidence
    own = {name: ladder("cremad") for name in both}
    assert judge(check_of("no-speaker-overfitting"), evidence(own)).verdict == REPRODUCED


def test_a_score_of_an_unnamed_split_shows_no_generalisation(predictions, evidence, judge):
    parts = [
        predictions({"D": share}, protocol=name) for name, share in (("row-random", 0.9), ("speaker-disjoint", 0.6))
    ]
    rows = pd.concat(parts, ignore_index=True)
    found = judge(check_of("generalises"), evidence({LADDER: rows}))
    share = 100 * (rows["true"] == rows["predicted"])[rows["protocol"] == "row-random"].mean()
    assert found.verdict == NOT_TESTABLE and found.source == LADDER and f"{share:.1f} % row-random" in found.evidence


def test_systems_that_were_not_tested_on_the_same_speakers_are_not_compared(predictions, evidence, judge):
    """As many speakers, and others: the difference would be paired in silence, or end the whole ledger."""
    rows = predictions({"baseline": 0.9, "no noisy rows": 0.5})
    rows.loc[rows["system"] == "baseline", "speaker"] += " of another corpus"
    found = judge(better("baseline", "no noisy rows", "clean", ABLATION), evidence({ABLATION: rows}))
    assert found.verdict == NOT_TESTABLE and "of the same speakers" in found.evidence and found.source == ABLATION


@pytest.mark.parametrize(
    ("difference", "half", "verdict"),
    [(0.0, 0.02, REPRODUCED), (0.04, 0.2, UNDECIDED), (0.0, 0.1, UNDECIDED), (0.3, 0.1, NOT_REPRODUCED)],
)
def test_a_claim_of_no_difference_needs_a_narrow_interval(evidence, difference, half, verdict):
    """A wide one once reproduced such claims. Equal to two one-sided tests against the margin."""
    gap = {"difference": difference, "low": difference - half, "high": difference + half, "p": 0.5, "speakers": 24}
    found = within_margin(evidence(), gap, "words", LADDER)
    assert found.decided(found.p) == verdict
    t = (difference - MARGIN) / (half / stats.t.ppf(0.975, 23))
    assert found.p == pytest.approx(2 * stats.t.sf(abs(t), 23))
    assert (found.low, found.high) == (gap["low"], gap["high"]) and "margin 0.05" in found.evidence


def test_the_ladder_s_rungs(predictions, evidence, judge):
    ladder = pd.concat([
        predictions({"D": share}, 12, protocol=name, condition="clean", seed=i)
        for i, (name, share) in enumerate({"row-random": 0.95, "speaker-disjoint": 0.6}.items())
    ])  # fmt: skip
    level = predictions({"probe": 0.7}, 12, condition="clean")
    level = pd.concat([level.assign(protocol=name) for name in ("row-random", "speaker-disjoint")])

    def found(rung="speaker-disjoint", **of):
        parts = {LADDER: of.get("row", ladder), PROBED: of.get("probe", level)}
        return judge(no_gap("row-random", rung, "x"), evidence(parts))

    assert found().verdict == NOT_REPRODUCED and found().low > MARGIN and "x, clean, D" in found().evidence
    # what one of both contradicts is not reproduced by the other
    other = found(row=level.assign(system="D"), probe=ladder.assign(system="probe"))
    assert other.verdict == NOT_REPRODUCED and "x, clean, probe" in other.evidence
    assert found(row=level.assign(system="D")).verdict == REPRODUCED
    assert found("utterance-grouped").verdict == NOT_TESTABLE


def test_the_weakest_of_several_differences_decides(evidence):
    strong = {"difference": 0.3, "low": 0.2, "high": 0.4, "speakers": 24}
    weak = {"difference": 0.05, "low": -0.05, "high": 0.15, "speakers": 24}
    wrong = {"difference": -0.3, "low": -0.4, "high": -0.2, "speakers": 24}
    gaps = {name: gap | {"p": p_of(gap)} for name, gap in {"strong": strong, "weak": weak, "wrong": wrong}.items()}

    def verdict(*names):
        found = weakest(evidence(), [(name, gaps[name]) for name in names], GRID)
        return found.evidence.partition(":")[0], found.decided(found.p)

    assert verdict("strong") == ("strong", REPRODUCED)
    assert verdict("strong", "weak") == ("weak", UNDECIDED)
    assert verdict("weak", "wrong", "strong") == ("wrong", NOT_REPRODUCED)
    gaps["unknown"] = dict.fromkeys(("low", "high", "p"), np.nan) | {"difference": 0.5, "speakers": 24}
    assert verdict("wrong", "unknown") == ("unknown", NOT_TESTABLE)


@pytest.mark.parametrize(
    ("clips_per_s", "verdict"),
    [((50.0, 49.0), REPRODUCED), ((50.0, 25.0), UNDECIDED), ((50.0, 60.0), UNDECIDED), (None, NOT_TESTABLE)],
)
def test_the_cost_of_fusion_is_counted_and_timed(evidence, judge, clips_per_s, verdict):
    """Counted alone it was reproduced beside a table in which half the speed was gone; a part is never slower."""
    rows = {} if clips_per_s is None else {SPEED: pd.DataFrame({"system": ["B", "D"], "clips_per_s": clips_per_s})}
    found = judge(check_of("throughput"), evidence(rows))
    assert found.verdict == verdict
    if rows:
        assert "row B 35.2 GFLOP a clip, row D 37.0 GFLOP a clip: at equal speed 5.0 % fewer" in found.evidence
        assert f"{100 * (1 - clips_per_s[1] / clips_per_s[0]):.1f} %; printed 6.25 %" in found.evidence


def test_every_stationary_noise_has_to_be_easier(predictions, evidence, judge):
    """The mean of three once hid that white noise cost as much as the environmental ones."""

    def found(sources=2, **of):
        shares = dict.fromkeys(COLOURS, 0.8) | dict.fromkeys(ENVIRONMENTS, 0.5) | of
        return judge(check_of("stationary-easier-snr"), evidence({GRID: grid(predictions, "snr", shares, sources)}))

    assert found().verdict == REPRODUCED
    alike = found(white=0.5)
    assert alike.verdict == UNDECIDED and "white − environmental" in alike.evidence
    assert found(sources=1).verdict == NOT_TESTABLE


@pytest.mark.parametrize(("concat", "verdict"), [(0.4, REPRODUCED), (0.7, UNDECIDED)])
def test_pooling_is_judged_at_equal_settings_and_at_each_one_s_own(predictions, evidence, judge, concat, verdict):
    """Rows C and D are tuned each for itself; a gain that equal settings do not show stood alone, or not at all."""
    rows = {ABLATION: predictions({"baseline": 0.7, "mean pooling": 0.4}, 12)}
    rows[CLEAN] = predictions({"D": 0.7, "C": concat}, 12)
    found = judge(check_of("attention-helps-clean"), evidence(rows))
    assert found.verdict == verdict
    assert "equal settings: baseline − mean pooling" in found.evidence and "chosen: D − C" in found.evidence


def test_what_each_kind_of_copies_brings_stands_beside_what_all_bring(predictions, evidence, judge):
    skill = {"baseline": 0.8, "clean rows only": 0.3, "no noisy rows": 0.3, "no pitched rows": 0.8}
    found = judge(check_of("augmentation"), evidence({ABLATION: predictions(skill, 12, condition="x")}))
    noisy, pitched = (float(found.evidence.partition(f"{name} ")[2].split(",")[0]) for name in list(skill)[2:])
    assert found.verdict == REPRODUCED and noisy > 0.4 and abs(pitched) < 0.05


def grid(predictions, axis, shares, sources=2):
    """Row D in noises, half of the utterances from each of the recorded ones' sources."""
    parts = []
    for name, share in shares.items():
        rows = predictions({"D": share}, condition=f"{name}-{axis}", level_kind=axis, noise=name, level=0.5)
        own = [f"{name} {i % sources}" for i in range(len(rows))] if name in ENVIRONMENTS else ""
        parts.append(rows.assign(source=own))
    return pd.concat(parts, ignore_index=True)


def test_rankings_follow_the_axis_and_need_more_than_one_recording(predictions, evidence, judge):
    kinds = dict.fromkeys([*COLOURS, *ENVIRONMENTS], 0.7)
    both = pd.concat([
        grid(predictions, "lambda", kinds | {"fish_market": 0.2}), grid(predictions, "snr", kinds | {"white": 0.2})
    ])  # fmt: skip

    def hardest(axis, rows=both):
        return judge(extreme(axis, "fish_market", [*COLOURS, *ENVIRONMENTS], "hardest"), evidence({GRID: rows}))

    assert hardest("lambda").verdict == REPRODUCED and hardest("snr").verdict == NOT_REPRODUCED
    assert "white − fish market" in hardest("snr").evidence and "UAR -" in hardest("snr").evidence
    assert hardest("snr", grid(predictions, "snr", kinds)).verdict == UNDECIDED
    lacking = hardest("snr", both[both["level_kind"] == "lambda"])
    assert lacking.verdict == NOT_TESTABLE and "snr" in lacking.evidence and lacking.source == GRID
    single = hardest("snr", grid(predictions, "snr", kinds, sources=1))
    assert single.verdict == NOT_TESTABLE and "two recordings" in single.evidence


def explained(trained, untrained, quantity, explanation="Score-CAM", speakers=12, clips=2):
    rng, rows = np.random.default_rng(0), []
    for model, draw, mean in [("trained", 0, trained), *(("untrained", draw, untrained) for draw in range(1, 6))]:
        for speaker in range(speakers):
            for clip in range(clips):
                value = mean + 0.05 * rng.standard_normal()
                rows.append((model, draw, f"s{speaker}", f"{speaker}-{clip}", explanation, value))
    return pd.DataFrame(rows, columns=["model", "draw", "speaker", "utterance", "explanation", quantity])


@pytest.mark.parametrize(
    ("trained", "untrained", "verdict"),
    [(0.9, 0.6, REPRODUCED), (0.9, 0.9, UNDECIDED), (0.6, 0.9, NOT_REPRODUCED), (0.3, 0.1, NOT_REPRODUCED)],
)
def test_what_an_untrained_model_shows_as_well_is_no_evidence(evidence, judge, trained, untrained, verdict):
    """Five such claims once stood as reproduced."""
    table = explained(trained, untrained, "controls_beaten")
    assert judge(check_of("causal-score-cam"), evidence({DELETION: table})).verdict == verdict
    assert judge(check_of("causal-shap"), evidence({DELETION: table})).verdict == NOT_TESTABLE


@pytest.mark.parametrize(("trained", "verdict"), [(0.9, REPRODUCED), (0.4, NOT_REPRODUCED)])
def test_tightly_needs_more_than_a_difference(evidence, judge, trained, verdict):
    table = explained(trained, 0.1, "correlation")
    assert judge(check_of("aligned-score-cam"), evidence({ENERGY: table})).verdict == verdict


def test_maps_without_a_value_are_counted_beside_the_correlation(evidence, judge):
    table = explained(0.3, 0.1, "correlation")
    table.loc[(table["model"] == "trained") & table["utterance"].isin(["0-0", "3-1"]), "correlation"] = np.nan
    found = judge(check_of("aligned-score-cam"), evidence({ENERGY: table}))
    assert "flat, so without a value: 2 of 24 trained, 0 of 120 untrained" in found.evidence
    assert "difference +0.1" in found.evidence and "trained beyond 0.7" in found.evidence


def test_texture_is_weighed_against_energy(evidence, judge):
    parts = [
        explained(trained, untrained, "importance", name).rename(columns={"explanation": "descriptor"})
        for name, trained, untrained in [("MFCC", 2.0, 1.0), ("RMS", 1.0, 1.0), ("ZCR", 1.0, 1.0)]
    ]
    found = judge(check_of("texture-first"), evidence({SHAP: pd.concat(parts)}))
    assert found.verdict == REPRODUCED and found.low < 1 < found.high  # twice as much is one octave


def test_families_are_corrected_together(predictions, evidence):
    """A p of 0.03 alone decides; among six equally weak ones it does not."""
    rows = {
        CLEAN: predictions({"A": 0.7, "B": 0.7, "C": 0.7, "D": 0.75}, 24, each=3, seed=5),
        GRID: predictions({"A": 0.7, "B": 0.7, "C": 0.7, "D": 0.75}, 24, each=3, seed=6).assign(
            condition="x", level_kind="lambda", noise=ENVIRONMENTS[0], source="a", level=0.75
        ),
        ABLATION: pd.concat(
            [
                predictions({"baseline": 0.75, "mean pooling": 0.7}, 24, each=3, seed=seed, condition=condition)
                for seed, condition in ((7, "clean"), (8, "x"))
            ]
        ),
    }
    table = ledger(evidence(rows))
    own = table[(table["family"] == "fusion") & table["p"].notna()]
    assert len(own) == 6
    order = own.sort_values("p")
    stepped = np.minimum(1, np.maximum.accumulate(order["p"] * np.arange(6, 0, -1)))
    assert order["p_holm"].to_numpy() == pytest.approx(stepped.to_numpy())
    decided = own["verdict"].isin([REPRODUCED, NOT_REPRODUCED])
    assert (decided == (own["p_holm"] < 0.05)).all() and (own["p"] < own["p_holm"]).any()


def test_one_speaker_decides_nothing(evidence):
    gap = {"difference": 0.3, "low": np.nan, "high": np.nan, "p": np.nan, "speakers": 1}
    assert above(evidence(), gap, "words", GRID).verdict == NOT_TESTABLE
