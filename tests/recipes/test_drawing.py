"""sersupport.recipes.drawing: recipes that hang on their key alone."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest

from sersupport.core.errors import UserError
from sersupport.recipes.bank import ENVIRONMENTS
from sersupport.recipes.drawing import VARIANTS, Recipe, clean_partners, draw_quadruplet, environmental, grid, unheard

LEVELS = [0.25, 0.5, 0.75]
MANY = pd.DataFrame({"id": [f"ravdess/u{i:03d}" for i in range(200)]})


@pytest.mark.parametrize("kind", ["quadruplet", "grid", "unheard"])
def test_a_row_depends_on_its_own_key_alone(bank, kind):
    def draw(table: pd.DataFrame, seed: int = 3) -> pd.DataFrame:
        if kind == "quadruplet":
            rows = draw_quadruplet(table, bank, seed)
        elif kind == "unheard":
            rows = unheard(table, bank, ["synthetic rain", "fish_market", "room", "telephone"], [0.0, 10.0], seed)
        else:
            rows = grid(table, bank, ["white", "fish_market"], LEVELS, "lambda", seed)
        return rows.set_index(["utterance", "condition"]).sort_index()

    rows = draw(MANY)
    pd.testing.assert_frame_equal(draw(MANY.sample(frac=1, random_state=0)), rows)
    subset = MANY.iloc[7:90:5]
    pd.testing.assert_frame_equal(draw(subset), rows.loc[subset["id"]])
    reread = pickle.loads(pickle.dumps(bank))  # as another process gets it
    there, here = (draw_quadruplet(subset, held, 3) for held in (reread, bank))
    pd.testing.assert_frame_equal(there, here)
    assert (draw(MANY, seed=4)["seed"] != rows["seed"]).sum() >= rows["seed"].ne(0).sum()


def test_quadruplet(bank):
    rows = draw_quadruplet(MANY, bank, seed=1)
    assert rows.columns.tolist() == list(Recipe._fields)
    assert rows["variant"].tolist() == list(VARIANTS) * len(MANY)
    by_variant = {variant: of for variant, of in rows.groupby("variant")}
    for variant, of in by_variant.items():
        assert (of["semitones"] == (0.7 if "pitched" in variant else 0)).all()
        assert (of["level_kind"] == ("lambda" if "noisy" in variant else "none")).all()
    assert not by_variant["clean"][["noise", "source", "recording"]].any(axis=None)
    assert (by_variant["noisy"]["level"].to_numpy() != by_variant["pitched_noisy"]["level"].to_numpy()).all()

    noisy = rows[rows["level_kind"] == "lambda"]
    assert noisy["level"].between(0, 0.75).all()
    # 400 draws: four standard errors around the uniform's mean, and around equal shares
    assert noisy["level"].mean() == pytest.approx(0.375, abs=4 * 0.75 / np.sqrt(12 * 400))
    for noise_type in ENVIRONMENTS:
        assert (noisy["noise"] == noise_type).mean() == pytest.approx(1 / 3, abs=4 * np.sqrt(2 / 9 / 400))
    children = noisy[noisy["noise"] == "children_playing"]
    share = (children["source"] == "14470").mean()  # one source of two, though two files of three
    assert share == pytest.approx(1 / 2, abs=4 * np.sqrt(1 / 4 / len(children)))

    known = bank.sources.set_index("recording")
    assert (known.loc[noisy["recording"], "part"] == "train").all()
    assert known.loc[noisy["recording"], "source"].tolist() == noisy["source"].tolist()
    room_s = (known.loc[noisy["recording"], "duration_s"].to_numpy() - 2.5).clip(min=0)
    assert (noisy["offset_s"] <= room_s).all() and (noisy["offset_s"] >= 0).all()
    assert noisy["offset_s"].max() > 1.3  # of 1.5 s
    assert not noisy.loc[noisy["recording"].str.contains("14470-2-0-14"), "offset_s"].any()


def test_grid_is_paired_over_levels_and_axes(bank):
    noises = ["white", "railway_engine"]
    by_lambda = grid(MANY.iloc[:5], bank, noises, LEVELS, "lambda", seed=1)
    by_snr = grid(MANY.iloc[:5], bank, noises, [20, 0], "snr", seed=1)
    expected = ["white@0.25", "white@0.5", "white@0.75", "railway_engine@0.25"]
    assert by_lambda["condition"].tolist()[:4] == expected
    assert by_snr["condition"].tolist()[:2] == ["white@20dB", "white@0dB"]
    drawn = ["source", "recording", "offset_s", "seed"]
    both = pd.concat([by_lambda, by_snr])
    assert len(both) == 5 * 2 * 5
    assert len(both[["utterance", "noise", *drawn]].drop_duplicates()) == 5 * 2
    assert both["seed"].nunique() == 10
    assert set(both.loc[both["noise"] == "railway_engine", "recording"]) == {"held/railway_engine/x.wav"}
    assert (both.loc[both["noise"] == "white", "recording"] == "").all()


def test_every_utterance_of_a_grid_draws_its_source_and_its_piece(bank):
    """A test of few recordings is a test of many pieces of them, and of each recording about as many."""
    rows = grid(MANY, bank, ["children_playing", "fish_market"], [0.0, 10.0], "snr", seed=1, part="train")
    for _, own in rows.groupby("noise"):
        drawn = own.drop_duplicates("utterance")
        longer = drawn[~drawn["recording"].str.contains("14470-2-0-14")]  # which is shorter than a clip
        assert len(drawn) == len(MANY) and longer["offset_s"].nunique() == len(longer)
        shares = drawn["source"].value_counts(normalize=True)
        assert len(shares) == 2 and shares.max() <= 1 / 2 + 4 * np.sqrt(1 / 4 / len(MANY))
    known = bank.sources.set_index("recording")["part"]
    assert (known[rows["recording"]] == "train").all()


def test_grid_refuses(bank):
    with pytest.raises(UserError, match="level_kind"):
        grid(MANY, bank, ["white"], LEVELS, "dB", seed=0)
    with pytest.raises(UserError, match=r"type rain; there are: white, pink, brown, .*children"):
        grid(MANY, bank, ["rain"], LEVELS, "lambda", seed=0)
    with pytest.raises(UserError, match="type fish_market"):
        grid(MANY, None, ["fish_market"], LEVELS, "lambda", seed=0)


def test_clean_partners_keep_utterance_and_pitch_and_lose_all_noise(bank):
    rows = pd.concat(
        [draw_quadruplet(MANY.iloc[:5], bank, seed=1), grid(MANY.iloc[:5], bank, ["white"], LEVELS, "snr", seed=1)]
    ).assign(snr_clip_db=3.0)
    partners = clean_partners(rows)
    assert list(partners.columns) == list(Recipe._fields) and partners.index.equals(rows.index)
    assert partners["utterance"].equals(rows["utterance"]) and partners["semitones"].equals(rows["semitones"])
    pitched = rows["variant"].str.contains("pitched")
    assert (partners["variant"] == np.where(pitched, "pitched", "clean")).all()
    assert partners["condition"].equals(partners["variant"])
    plain = draw_quadruplet(MANY.iloc[:5], bank, seed=1)
    unaltered = plain["level_kind"] == "none"
    pd.testing.assert_frame_equal(clean_partners(plain)[unaltered], plain[unaltered])  # as they are drawn
    assert clean_partners(plain).dtypes.equals(plain.dtypes)
    assert clean_partners(plain.iloc[:0]).empty


def test_noises_have_their_levels_and_effects_have_none(bank):
    rows = unheard(MANY.head(5), bank, ["synthetic rain", "fish_market", "room"], [0.0, 10.0], seed=1)
    assert len(rows) == 5 * (2 * 2 + 1) and rows.columns.tolist() == list(Recipe._fields)
    assert set(rows.loc[rows["noise"] == "room", "level_kind"]) == {"effect"}
    assert set(rows.loc[rows["noise"] != "room", "condition"]) == {
        f"{noise}@{level}dB" for noise in ("synthetic rain", "fish_market") for level in (0, 10)
    }
    assert (rows.loc[rows["noise"] == "fish_market", "recording"].str.startswith("held/")).all()
    assert set(rows.loc[environmental(rows), "noise"]) == {"fish_market"}
    with pytest.raises(UserError, match="no test noise of type dishes"):
        unheard(MANY, bank, ["dishes"], [0.0], seed=1)
