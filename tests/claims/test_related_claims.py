"""Claims of the three related papers: each is judged both ways, or says what is missing."""

from __future__ import annotations

import math
from importlib import import_module

import numpy as np
import pandas as pd
import pytest

from sersupport.claims import cnn_attention, facts, humpcat, trnet
from sersupport.claims.evidence import CURVE, ENCODER, ESTIMATES, GRID_RELATED, RELATED, RELATED_ABLATION
from sersupport.claims.ledger import CLAIMS, check, ledger
from sersupport.claims.verdicts import (
    CODE_CONTRADICTS,
    CONSISTENT,
    NOT_REPRODUCED,
    NOT_TESTABLE,
    REPRODUCED,
    SETTING_DIFFERS,
)

CHANGES = {
    cnn_attention.SYSTEM: ["no attention", "clean rows only", "Gaussian noise and pitch"],
    humpcat.SYSTEM: ["concatenation for stage 1", "concatenation for stage 2", "last layer"],
    trnet.SYSTEM: [
        "no low-level loss",
        "no high-level loss",
        "enhanced only",
        "noisy speech alone",
        "clean speech alone",
    ],
}
RELATED_CLAIMS = [claim for claim in CLAIMS if claim.paper != "2512.18298"]
CODE = {"attention-rows", "attention-test"}
UNTRACED = "attention-cremad"  # of which the code says no more than that it has no run of it
SCORES = {"attention-accuracy", "humpcat-accuracy", "trnet-accuracy"}


def heard(predictions, skill, seed, **columns):
    """Clean and noisy predictions of systems."""
    noisy = {"condition": "babble@5", "level_kind": "snr", "noise": "babble", "source": "a", "level": 5.0}
    parts = [predictions(skill, 12, seed=seed + n, **own | columns) for n, own in enumerate(({}, noisy))]
    return pd.concat(parts, ignore_index=True)


def estimates(rise, enhancer="rnnoise", speakers=6, each=4):
    rng, rows = np.random.default_rng(0), []
    for noise in ("white", "babble"):
        for place in range(speakers * each):
            for level in (-5.0, 0.0, 5.0, 10.0, 20.0):
                c = 0.5 + 0.015 * level * rise[noise] + 0.02 * rng.standard_normal()
                rows.append((f"u{place}", f"s{place % speakers}", noise, level, c, enhancer))
    return pd.DataFrame(rows, columns=["utterance", "speaker", "noise", "level", "c", "enhancer"])


def made_up(predictions, helps: bool) -> dict[str, pd.DataFrame]:
    """What chapter 9 would write where every part helps, or where every part harms."""
    whole, changed = (0.8, 0.5) if helps else (0.5, 0.8)
    skill = {f"{name}: {part}": changed for name, parts in CHANGES.items() for part in parts}
    skill |= {f"{name}: baseline": whole for name in CHANGES}
    skill[f"{cnn_attention.SYSTEM}: Gaussian noise and pitch"] = whole  # the change that a claim is about
    shares = [
        predictions({humpcat.SYSTEM: skill}, 6, seed=seed, corpus=corpus, language=language, start=start, share=share)
        for corpus, language in {"emovo": "it", "savee": "en"}.items()
        for seed, (start, share, skill) in enumerate([
            ("English", 0.0, 0.3), ("English", 0.1, whole), ("nothing", 0.1, changed), ("English", 1.0, changed),
            ("nothing", 1.0, whole),
        ])
    ]  # fmt: skip
    related = heard(predictions, dict.fromkeys(CHANGES, 0.6), 5)
    return {
        RELATED: related[related["condition"] == "clean"],
        RELATED_ABLATION: heard(predictions, skill, 7),
        GRID_RELATED: pd.concat([related, related.assign(corpus="iemocap")], ignore_index=True),
        CURVE: pd.concat(shares, ignore_index=True),
        ESTIMATES: estimates({"white": 1, "babble": 1 if helps else -1}),
        ENCODER: {"name": "facebook/hubert-base-ls960"},
    }


@pytest.fixture(scope="module", params=[True, False], ids=["helps", "harms"])
def judged(request, predictions, evidence):
    table = ledger(evidence(made_up(predictions, request.param)), RELATED_CLAIMS).set_index("id")
    return REPRODUCED if request.param else NOT_REPRODUCED, table


def test_every_claim_is_judged_both_ways(judged):
    verdict, table = judged
    assert set(table.loc[sorted(CODE), "verdict"]) == {CODE_CONTRADICTS}
    assert set(table.loc[sorted(SCORES), "verdict"]) == {SETTING_DIFFERS}
    assert table.loc[UNTRACED, "verdict"] == NOT_TESTABLE
    assert table.drop(index=[*CODE, *SCORES, UNTRACED])["verdict"].eq(verdict).all(), table["verdict"]


def test_what_a_rebuilt_system_differs_in_is_named(judged):
    _, table = judged
    named = "Rebuilt with another enhancer, coefficient c, corpus, set of noises than printed"
    assert named in table.loc["trnet-low", "evidence"]
    assert table.drop(index=[*CODE, UNTRACED])["evidence"].str.contains("Rebuilt with another").all()
    assert "another split, input, number of filters, training than" in table.loc["attention-augmentation", "evidence"]
    named = facts.table("related-systems")
    assert set(named["system"]) == set(CHANGES) and not named.duplicated(["system", "what"]).any()
    assert "EMOVO (Italian) 79.48, here" in table.loc["humpcat-accuracy", "evidence"]
    assert "10 % of EMOVO" in table.loc["humpcat-transfer", "evidence"], "neither the whole nor an English target"
    assert "at 5 dB" in table.loc["trnet-noise", "evidence"]


def test_layers_of_another_encoder_say_nothing_of_hubert(predictions, evidence):
    artefacts = made_up(predictions, True) | {ENCODER: {"name": "openai/whisper-base"}}
    found = check("humpcat-layers", evidence(artefacts))
    assert found["verdict"] == SETTING_DIFFERS and math.isnan(found["p"]) and "last layer" in found["evidence"]


def test_p_is_corrected_within_each_paper_s_family(judged):
    _, table = judged
    sizes = table.loc[table["p"].notna() & (table["family"] != "")].groupby("family").size()
    assert sizes.to_dict() == {"attention": 2, "transfer": 3, "refinement": 4}
    assert (table["p_holm"] >= table["p"])[table["p"].notna()].all()


@pytest.mark.parametrize("lacking", [RELATED, RELATED_ABLATION, CURVE, ESTIMATES, GRID_RELATED])
def test_what_is_missing_is_named(predictions, evidence, lacking):
    artefacts = {name: table for name, table in made_up(predictions, True).items() if name != lacking}
    table = ledger(evidence(artefacts), RELATED_CLAIMS)
    untestable = table[(table["verdict"] == NOT_TESTABLE) & (table["id"] != UNTRACED)]
    assert len(untestable) and untestable["evidence"].eq(f"needs {lacking}, which this run does not have").all()


def test_a_part_that_helps_in_one_stage_alone_decides_nothing(predictions, evidence):
    artefacts = made_up(predictions, True)
    rows = artefacts[RELATED_ABLATION]
    stage = rows["system"] == f"{humpcat.SYSTEM}: concatenation for stage 2"
    artefacts[RELATED_ABLATION] = rows.assign(predicted=rows["predicted"].where(~stage, rows["true"]))
    assert check("humpcat-attention", evidence(artefacts))["verdict"] == "undecided"


@pytest.mark.parametrize(
    ("id", "name", "change", "words"),
    [
        ("trnet-low", ESTIMATES, {"enhancer": "none"}, "needs an enhancer in"),
        ("trnet-accuracy", GRID_RELATED, {"corpus": "ravdess"}, "needs a cell of the 2 printed"),
        ("attention-accuracy", RELATED, {"corpus": "other"}, "needs a cell of the 6 printed"),
        ("humpcat-transfer", CURVE, {"language": "en"}, "a target in another language than English"),
        ("humpcat-accuracy", CURVE, {"corpus": "other"}, "needs a cell of the 2 printed"),
        ("humpcat-layers", RELATED_ABLATION, {"system": "another"}, "needs systems HuMP-CAT: baseline and"),
    ],
)
def test_a_run_that_has_other_things_says_so(predictions, evidence, id, name, change, words):
    artefacts = made_up(predictions, True)
    artefacts[name] = artefacts[name].assign(**change)
    found = check(id, evidence(artefacts))
    assert found["verdict"] == NOT_TESTABLE and words in found["evidence"] and name in found["command"]


def test_a_coefficient_that_never_changes_decides_nothing(predictions, evidence):
    artefacts = made_up(predictions, True)
    artefacts[ESTIMATES] = artefacts[ESTIMATES].assign(c=1.0)
    assert check("trnet-snr", evidence(artefacts))["verdict"] == "undecided"


def test_synthetic_speech_decides_nothing_but_what_code_shows(predictions, evidence):
    table = ledger(evidence(made_up(predictions, True), synthetic=True), RELATED_CLAIMS).set_index("id")
    assert set(table.index[table["verdict"] != NOT_TESTABLE]) == CODE


def test_what_the_published_code_shows_follows_from_its_numbers(evidence, monkeypatch):
    rows = facts.table("2507.03251-public-code").set_index("corpus")
    for corpus, own in rows.dropna().iterrows():
        assert own["rows"] == own["recordings"] * own["rows_per_recording"]
        assert own["test_rows"] == math.ceil(0.2 * own["rows"]), corpus
        right = round(own["accuracy_pct"] * own["test_rows"] / 100)
        assert 100 * right / own["test_rows"] == pytest.approx(own["accuracy_pct"], abs=6e-4)
    said = {id: check(id, evidence()) for id in sorted({*CODE, UNTRACED})}
    assert all(one["basis"] == "published code" and one["command"].endswith(id) for id, one in said.items())
    for words in ("368,640 of 1,440 recordings, 256 each", "73,728 are tested (20 %)", "(97.493 %, printed 97.49)"):
        assert words in said["attention-rows"]["evidence"]
    # of four rows the other three, drawn without replacement, are all tested
    alone = math.comb(2239, 3) / math.comb(11199, 3)
    assert f"TESS {100 * (1 - alone):.1f}" in said["attention-test"]["evidence"]
    assert "91.667 % of 192 rows" in said["attention-cremad"]["evidence"]
    assert "nearest: 89.06 %" in said["attention-cremad"]["evidence"]
    # a recording a row would bear the claims out
    one = rows.assign(rows=rows["recordings"], rows_per_recording=1.0)
    monkeypatch.setattr(cnn_attention, "_CODE", one.astype({"test_rows": int}))
    assert {check(id, evidence())["verdict"] for id in CODE} == {CONSISTENT}


@pytest.mark.parametrize("claims", [cnn_attention, humpcat, trnet], ids=lambda module: module.SYSTEM)
def test_systems_are_called_what_they_call_themselves(claims):
    system = import_module(claims.__name__.replace("claims", "systems"))
    assert claims.SYSTEM == system.NAME
