"""Toy speech whose class can be read off a known voice, a sibling or the emotion itself, and a small real corpus."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from sersupport.core.cache import Cache
from sersupport.corpora import protocols as rules
from sersupport.corpora.convention import EMOTIONS
from sersupport.corpora.reading import read_all
from sersupport.corpora.synthesis import make_corpus, make_noises
from sersupport.inputs.descriptors import Descriptors
from sersupport.inputs.encoders import encoder as encoders
from sersupport.inputs.store import Materials, Store
from sersupport.recipes.bank import NoiseBank
from sersupport.recipes.drawing import VARIANTS, draw_quadruplet, grid
from sersupport.recipes.drawing import clean as clean_recipes
from sersupport.recipes.rendering import Renderer, Window
from sersupport.studies.jobs import Bench
from sersupport.studies.setup import Setup

SPEAKERS, TEXTS = 8, 6
CLIP = 11_025
DESCRIPTORS = Descriptors(n_mfcc=4)


def utterance_table() -> pd.DataFrame:
    rows = [
        (f"toy/{speaker}-{emotion}-{text}", "toy", f"toy-{speaker}", "FM"[speaker % 2], emotion, f"text {text}")
        for speaker in range(SPEAKERS)
        for emotion in EMOTIONS
        for text in range(TEXTS)
    ]
    return pd.DataFrame(rows, columns=["id", "corpus", "speaker", "sex", "emotion", "text"])


class ToyStore:
    """Descriptors are a draw of their own for each value of ``told_by``; frames say nothing."""

    def __init__(self, told_by: list[str], cache: Cache) -> None:
        self.cache = cache
        table = utterance_table().set_index("id", drop=False)
        self.renderer = SimpleNamespace(
            utterances=table,
            classes=EMOTIONS,
            keys=lambda rows: rows[["utterance", "variant"]].values.tolist(),
            describe=lambda: told_by,
        )
        self.recipes = utterance_table().merge(pd.DataFrame({"variant": VARIANTS}), how="cross")
        self.recipes = self.recipes.rename(columns={"id": "utterance"}).assign(
            condition=lambda frame: frame["variant"], noise="", source="", level_kind="none", level=0.0
        )
        rng = np.random.default_rng(0)
        group = self.recipes.groupby(told_by).ngroup().to_numpy()
        centres = rng.normal(size=(group.max() + 1, DESCRIPTORS.length(CLIP)))
        self.spectral = (centres[group] + 0.1 * rng.normal(size=(len(group), centres.shape[1]))).astype(np.float32)

    def lacking(self, inputs, recipes: pd.DataFrame) -> list:
        return []

    def materials(self, inputs, recipes: pd.DataFrame) -> Materials:
        rows = recipes.index.to_numpy()
        frames = np.zeros((len(rows), 3, 48), dtype=np.float16)
        values = {"spectral": self.spectral[rows], "frames": frames}
        labels = recipes["emotion"].map(EMOTIONS.index).to_numpy()
        lengths = {role: np.full(len(rows), 3) for role in inputs if role == "frames"}
        return Materials(recipes, labels, EMOTIONS, {role: values[role] for role in inputs}, lengths)


@pytest.fixture(scope="session")
def encoder() -> encoders.Encoder:
    return encoders.load(encoders.TINY, [-1])


@pytest.fixture
def setup(encoder) -> Setup:
    return Setup(
        descriptors=DESCRIPTORS, clip_samples=CLIP, encoder=encoder, encoder_name=encoders.TINY, frozen=True,
        width=0.06, epochs=3, batch_size=32, learning_rate=3e-3, weight_decay=0.01, warmup_fraction=0.1,
        seeds=(0,),
    )  # fmt: skip


@pytest.fixture
def toy(tmp_path):
    """A bench over toy speech, by what tells its class."""
    store, load = Cache(tmp_path / "cache"), lambda name, layers: encoders.load(name, layers)
    return lambda *told_by: Bench(ToyStore(list(told_by), store), tmp_path / "jobs", load)


@pytest.fixture(scope="session")
def possible() -> dict[str, pd.DataFrame]:
    return rules.possible(utterance_table(), VARIANTS, [0])


@pytest.fixture(scope="session")
def protocols(possible) -> pd.DataFrame:
    return rules.levelled(possible, utterance_table())


@pytest.fixture(scope="session")
def small(tmp_path_factory) -> SimpleNamespace:
    """The embedded corpus at its smallest: table, renderer, bench, and recipes of two speakers and of the others."""
    folder = make_corpus(tmp_path_factory.mktemp("corpus"), scale=0.1)
    make_noises(folder)
    table = read_all(folder, ["ravdess", "tess"])[0]
    bank = NoiseBank.from_folder(folder / "noise", ["embedded-test"])
    renderer = Renderer(table, bank, Window(0.3, 2.5))
    store = Store(renderer, Cache(folder / "cache"))
    known = table["speaker"].isin(["ravdess-08", "tess-YAF"])
    return SimpleNamespace(
        folder=folder,
        table=table,
        renderer=renderer,
        bench=Bench(store, folder / "jobs", lambda name, layers: encoders.load(name, layers)),
        recipes={
            "train": draw_quadruplet(table[known], bank, 0, clip_length_s=2.5),
            "validation": clean_recipes(table[known]),
            "test": clean_recipes(table[~known]),
        },
        grid=grid(table[~known], bank, ["white", "fish_market"], [0.0, 10.0], "snr", 0, clip_length_s=2.5),
    )
