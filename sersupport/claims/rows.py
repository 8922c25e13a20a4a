"""The claims of the four papers, in our words, each with what tests it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from sersupport import facts, noise
from sersupport.audio import RATE_HZ
from sersupport.claims.checks import (
    Check,
    Claim,
    Evidence,
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
from sersupport.corpora import CORPORA
from sersupport.features import FeatureParameters, index_to_feature
from sersupport.models.fusion import FusionConfig, FusionModel, count_parameters
from sersupport.splits import THINNED

FUSION, ATTENTION, HUMPCAT, TRNET = "2512.18298", "2507.03251", "2501.10408", "2404.12979"
FRAMES = 108  # of 2.5 s at 22,050 Hz and hop 512
RELATED = "09_related_systems/predictions"
_KEY_OF = {corpus.title: name for name, corpus in CORPORA.items()}


_TEXTS = facts.table("claims").set_index("id")


def _written(id: str, check: Check) -> Claim:
    """A claim whose words stand in the table of claims."""
    row = _TEXTS.loc[id]
    return Claim(row["paper"].removeprefix("arXiv:"), id, row["place"], row["claim"], row["test"], check)


# the corpora ----------------------------------------------------------------------------------------------------------


def _corpora() -> list[Claim]:
    table2 = facts.table("2512.18298-table2-corpora").set_index("corpus")
    table3 = facts.table("2512.18298-table3-classes").set_index("emotion")
    women = {  # samples by women: a corpus's samples in the proportion of its speakers
        title: row["samples"] * np.mean([sex == "F" for sex in CORPORA[_KEY_OF[title]].speakers.values()])
        for title, row in table2.iterrows()
    }

    def imbalance(evidence: Evidence) -> tuple[bool, str]:
        rest = table2.index != "TESS"
        before = sum(women[title] for title in table2.index[rest]) / table2.loc[rest, "samples"].sum()
        after = sum(women.values()) / table2["samples"].sum()
        words = f"women speak {100 * before:.1f} % of the samples without TESS and {100 * after:.1f} % with it"
        return abs(after - 0.5) < abs(before - 0.5), words

    def savee(evidence: Evidence) -> tuple[bool, str]:
        given, said = int(table2.loc["SAVEE", "samples"]), 15 * 7 * 4
        return given == said, f"15 sentences × 7 emotions × 4 speakers are {said}, Table II prints {given}"

    def classes(corpus: str, wanted: int) -> Check:
        def count(evidence: Evidence) -> tuple[bool, str]:
            found = int((table3[corpus] > 0).sum())
            return found == wanted, f"Table III gives {corpus} {found} classes"

        return holds(count)

    def table3_columns(evidence: Evidence) -> tuple[bool, str]:
        sums = table3.drop(columns="total").sum()
        return bool((sums == table2["samples"].reindex(sums.index)).all()), f"columns of Table III: {_listed(sums)}"

    def table3_rows(evidence: Evidence) -> tuple[bool, str]:
        sums = table3.drop(columns="total").sum(axis=1)
        return bool((sums == table3["total"]).all()), f"rows of Table III: {_listed(sums)}"

    def cremad(evidence: Evidence) -> tuple[bool, str]:
        texts, levels = len(CORPORA["cremad"].texts), len(CORPORA["cremad"].intensities)
        return (texts, levels) == (12, 4), f"the file names hold {texts} sentences and {levels} levels"

    return [
        _written("total-samples", prints(12162, lambda e: table2["samples"].sum())),
        _written("total-speakers", prints(121, lambda e: table2["speakers"].sum())),
        _written("class-columns", holds(table3_columns)),
        _written("class-rows", holds(table3_rows)),
        _written(
            "tess-size", prints(2800, lambda e: 200 * (table3["TESS"] > 0).sum() * table2.loc["TESS", "speakers"])
        ),
        _written("tess-binary", classes("TESS", 2)),
        _written("savee-classes", classes("SAVEE", 7)),
        _written("savee-sentences", holds(savee)),
        _written("cremad-design", measured(cremad)),
        _written("sex-balance", holds(imbalance)),
        _written(
            "no-speaker-overfitting",
            _no_gap("utterance-grouped", "speaker-disjoint", "utterance-grouped − speaker-disjoint, clean"),
        ),
        _written("generalises", _no_gap("row-random", "speaker-disjoint", "row-random − speaker-disjoint, clean")),
        _written("words-do-not-matter", _no_gap(THINNED, "speaker-and-text-disjoint", "known − unknown texts, clean")),
    ]


def _no_gap(milder: str, stricter: str, words: str) -> Check:
    """What a claim needs that the stricter protocol should contradict: no fall of UAR that stands clear of zero."""
    rungs = (_rung(milder), _rung(stricter))
    return difference_of(*rungs, words, "05_training/ladder", lambda low, high: low <= 0)


def _rung(protocol: str, variant: str = "clean"):
    def select(evidence: Evidence):
        ladder = evidence.artefact("05_training/ladder")
        return None if ladder is None else ladder[(ladder["protocol"] == protocol) & (ladder["variant"] == variant)]

    return select


# noise, pitch, features -----------------------------------------------------------------------------------------------


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _slope(colour: str, beta: int) -> Check:
    def statement(evidence: Evidence) -> tuple[bool, str]:
        make = noise.COLOURS[colour]
        found = np.mean(
            [
                noise.spectral_slope_db_per_octave(make(10 * RATE_HZ, noise.generator(0, colour, k)), RATE_HZ)
                for k in range(5)
            ]
        )
        law = -10 * beta * np.log10(2)
        return abs(found - law) < 0.3, f"measured {found:+.2f} dB an octave, the law gives {law:+.2f}"

    return measured(statement)


def _octaves(evidence: Evidence) -> tuple[bool, str]:
    power = np.abs(np.fft.rfft(noise.pink(20 * RATE_HZ, noise.generator(0, "octaves")))) ** 2
    frequency = np.fft.rfftfreq(20 * RATE_HZ, 1 / RATE_HZ)
    octaves = [
        10 * np.log10(power[(frequency >= f) & (frequency < 2 * f)].sum()) for f in (125, 250, 500, 1000, 2000, 4000)
    ]
    return np.ptp(octaves) < 1, f"octaves from 125 Hz to 8 kHz differ by {np.ptp(octaves):.2f} dB at most"


def _peak_ratio(scale: str) -> Check:
    """Whether an equation scales noise to a share of the speech's peak: speech at 0.3 of full scale, noise at 2."""

    def statement(evidence: Evidence) -> tuple[bool, str]:
        rng = noise.generator(0, "peak ratio")
        speech, other = rng.standard_normal((2, 4000))
        speech, other = 0.3 * speech / np.abs(speech).max(), 2 * other / np.abs(other).max()
        ratio = np.abs(noise.mix(speech, other, 0.5, scale).noise_added).max() / np.abs(speech).max()
        return (
            abs(ratio - 0.5) < 1e-6,
            f"for λ = 0.5 and speech at 0.3 of full scale its noise peaks at {ratio:.2f} of the speech's peak",
        )

    return holds(statement)


def _pitch_equation(evidence: Evidence) -> tuple[bool, str]:
    n, factor = 4096, 2 ** (0.7 / 12)
    pulse = np.exp(-0.5 * ((np.arange(n) - n / 2) / 100) ** 2)
    spectrum, frequency = np.fft.fftshift(np.fft.fft(np.fft.ifftshift(pulse))), np.fft.fftshift(np.fft.fftfreq(n))
    scaled = np.interp(frequency * factor, frequency, spectrum.real)
    moved = np.abs(np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(scaled))))
    widths = [np.sqrt(np.sum((np.arange(n) - n / 2) ** 2 * y**2) / np.sum(y**2)) for y in (pulse, moved)]
    change = widths[1] / widths[0]
    return abs(change - 1) < 0.01, f"X(f · 2^(0.7/12)) makes a pulse {change:.3f} times as long"


def _named(index: int, k: int) -> tuple[int, float]:
    found = index_to_feature(index, FRAMES, k)
    return found.coefficient, found.frame / (FRAMES - 1)


def _mid_utterance(evidence: Evidence) -> tuple[bool, str]:
    places = {k: _named(1191, k)[1] for k in (40, 20)}
    words = ", ".join(f"{100 * place:.0f} % of the clip at K = {k}" for k, place in places.items())
    return abs(places[40] - 0.5) <= 0.1, f"by equation 29 Feature 1191 lies at {words}; the text says K = 40"


def _high_coefficient(evidence: Evidence) -> tuple[bool, str]:
    numbers = {k: _named(1191, k)[0] for k in (40, 20)}
    words = ", ".join(f"number {number} of {k}" for k, number in numbers.items())
    return numbers[40] >= 20, f"by equation 29 Feature 1191 is coefficient {words}; the text says K = 40"


def _k40(evidence: Evidence) -> tuple[bool, str]:
    length = {k: FeatureParameters(n_mfcc=k).length(round(2.5 * RATE_HZ)) for k in (40, 20)}
    size = {k: count_parameters("C", n) / 1e6 for k, n in length.items()}
    given = float(evidence.table6.loc["C", "params_m"])
    words = ", ".join(f"K = {k}: L = {length[k]:,} and {size[k]:.1f} M" for k in size)
    return abs(size[40] - given) < 0.05, f"row C is printed with {given:.1f} M; {words}"


def _signals() -> list[Claim]:
    return [
        _written("white-slope", _slope("white", 0)),
        _written("pink-slope", _slope("pink", 1)),
        _written("brown-slope", _slope("brown", 2)),
        _written("pink-octaves", measured(_octaves)),
        _written("peak-ratio-environment", _peak_ratio("peak")),
        _written("peak-ratio-stationary", _peak_ratio("unit")),
        _written("peak-ratio-augmentation", _peak_ratio("raw")),
        _written("pitch-duration", holds(_pitch_equation)),
        _written("quadruplet", prints(4, lambda e: len(noise.VARIANTS))),
        _written("k-40", holds(_k40)),
        _written("feature-1191-time", holds(_mid_utterance)),
        _written("feature-1191-coefficient", holds(_high_coefficient)),
    ]


# the model ------------------------------------------------------------------------------------------------------------


def _streams(evidence: Evidence) -> tuple[bool, str]:
    """Whether the pooling weights see the spectral stream, and whether that stream has frames to be weighted."""
    torch.manual_seed(0)
    model = FusionModel(FusionConfig(spectral_length=400, frame_dim=8, cnn_width=0.02)).eval()
    frames, mask = torch.randn(1, 6, 8), torch.ones(1, 6, dtype=torch.bool)
    weights = [model(torch.randn(1, 400), frames, mask).pooling_weights for _ in range(2)]
    change = float((weights[0] - weights[1]).detach().abs().max())
    shape = tuple(model.spectral_encoder(torch.randn(1, 400)).shape)
    words = f"another spectral input changes the weights by {change:.1g}; it is one vector of {shape[1]} values a clip"
    return change > 0, words


def _parameters(row: str) -> Check:
    def check(evidence: Evidence):
        given = float(evidence.table6.loc[row, "params_m"])
        # printed digits may be rounded or cut off
        return prints(given, lambda e: count_parameters(row) / 1e6, " M", tolerance=0.1)(evidence)

    return check


def _model() -> list[Claim]:
    def part(first: str, second: str):
        return lambda e: (count_parameters(first) - count_parameters(second)) / 1e6

    return [
        *(
            Claim(
                FUSION,
                f"parameters-{row}",
                "Table VI",
                f"Row {row} has the printed number of parameters.",
                "the network of section III-E at K = 20, counted",
                _parameters(row),
            )
            for row in "ABCD"
        ),
        _written(
            "parameters-cnn",
            prints(11.9, lambda e: e.table6.loc["C", "params_m"] - e.table6.loc["B", "params_m"], " M", 0.2),
        ),
        _written("parameters-pooling", prints(0.7, part("D", "C"), " M", 0.1)),
        _written("streams-weighted", holds(_streams)),
    ]


# tables IV to VI ------------------------------------------------------------------------------------------------------


def _f1_possible(precision: float, recall: float, f1: float) -> bool:
    """F1 of a class is a harmonic mean, so no macro or weighted F1 exceeds the mean of its precision and recall."""
    return f1 <= (precision + recall) / 2 + 1e-4


def _f1_table(name: str) -> Check:
    def statement(evidence: Evidence) -> tuple[bool, str]:
        table = getattr(evidence, name)
        bad = [key for key, row in table.iterrows() if not _f1_possible(row["precision"], row["recall"], row["f1"])]
        listed = ", ".join(" ".join(map(str, key)) if isinstance(key, tuple) else key for key in bad).replace("_", " ")
        return (
            not bad,
            f"{len(bad)} of {len(table)} rows print an F1 above the mean of precision and recall: {listed or 'none'}",
        )

    return holds(statement)


def _tables() -> list[Claim]:
    table4 = facts.table("2512.18298-table4-clean")
    table5 = facts.table("2512.18298-table5-robustness")
    table6 = facts.table("2512.18298-table6-ablation")
    cells = [
        Claim(
            FUSION,
            f"table4-{_KEY_OF[row.corpus]}",
            "Table IV",
            f"{row.corpus} alone, clean: accuracy {row.accuracy_pct} %.",
            "accuracy on unheard speakers of that corpus",
            score(row.accuracy_pct, "clean", system="D, one corpus", corpus=_KEY_OF[row.corpus]),
        )
        for row in table4.itertuples()
    ]
    for row in table5.rename(columns={"lambda": "level"}).itertuples():
        name = row.noise.replace("_", " ")
        cells.append(
            Claim(
                FUSION,
                f"table5-{row.noise}-{row.level}",
                "Table V",
                f"{name}, λ = {row.level}: accuracy {row.accuracy_pct} %.",
                "accuracy on unheard speakers and noise sources",
                score(row.accuracy_pct, "grid", system="D", noise=row.noise, level=row.level),
            )
        )
    for row in table6.itertuples():
        for speech in ("clean", "noisy"):
            value = getattr(row, f"{speech}_accuracy_pct")
            cells.append(
                Claim(
                    FUSION,
                    f"table6-{row.row}-{speech}",
                    "Table VI",
                    f"Row {row.row}, {speech}: accuracy {value} %.",
                    "accuracy on unheard speakers",
                    score(value, speech, system=row.row),
                )
            )
    return [
        *cells,
        _written("f1-table4", _f1_table("table4")),
        _written("f1-table5", _f1_table("table5")),
        _written("deviations", holds(_deviations)),
        _written("state-of-the-art", measured(_best_so_far)),
    ]


def _deviations(evidence: Evidence) -> tuple[bool, str]:
    ratio = 100 * evidence.table5["recall_sd"] / evidence.table5["accuracy_sd"]
    return ratio.max() < 3, f"recall's SD is {ratio.min():.0f} to {ratio.max():.0f} times accuracy's, both in points"


def _best_so_far(evidence: Evidence) -> tuple[bool, str]:
    earlier = facts.table("2507.03251-accuracy").set_index("corpus")["accuracy_pct"]
    own = evidence.table4["accuracy_pct"]
    beaten = [f"{name} {earlier[name]} against {own[name]}" for name in own.index if earlier.get(name, 0) > own[name]]
    return not beaten, f"2507.03251 prints more on {len(beaten)} of {len(own)}: {', '.join(beaten) or 'none'}"


def _stated() -> list[Claim]:
    def cell(noise_name: str, level: float, column: str = "accuracy_pct"):
        return lambda e: e.table5.loc[(noise_name, level), column]

    def change(noise_name: str):
        return lambda e: cell(noise_name, 0.25)(e) - cell(noise_name, 0.75)(e)

    def six(row: str, column: str):
        return lambda e: e.table6.loc[row, column]

    def fall(row: str):
        return lambda e: six(row, "clean_accuracy_pct")(e) - six(row, "noisy_accuracy_pct")(e)

    def extreme_f1(evidence: Evidence) -> tuple[bool, str]:
        row = evidence.table5.loc[("fish_market", 0.75)]
        most = (row["precision"] + row["recall"]) / 2
        return most >= 0.83, f"printed F1 {row['f1']:.4f}; its precision and recall allow {most:.4f} at most"

    def least_loss(evidence: Evidence) -> tuple[bool, str]:
        falls = {row: fall(row)(evidence) for row in "ABCD"}
        listed = ", ".join(f"{row} {value:.2f}" for row, value in falls.items())
        return min(falls, key=falls.get) == "D", f"printed falls from clean to noisy: {listed} points"

    def drops(evidence: Evidence) -> tuple[bool, str]:
        given = {row: six(row, "noisy_drop_pct")(evidence) for row in "ABC"}
        true = {row: fall(row)(evidence) for row in "ABC"}
        listed = ", ".join(f"{row} {given[row]:.2f} against {true[row]:.2f}" for row in given)
        return (
            all(abs(given[row] - true[row]) < 0.01 for row in given),
            f"printed drop against clean less noisy: {listed}",
        )

    def leap(evidence: Evidence) -> tuple[bool, str]:
        steps = [
            six(b, "noisy_accuracy_pct")(evidence) - six(a, "noisy_accuracy_pct")(evidence) for a, b in ("BC", "CD")
        ]
        return steps[1] > steps[0], f"printed steps, noisy: B to C {steps[0]:+.2f} points, C to D {steps[1]:+.2f}"

    return [
        _written("white-5", prints(5, change("white"), " points", 0.5)),
        _written("extreme-f1", holds(extreme_f1)),
        _written("stationary-90-here", at_least(90, _loudest_stationary, "stationary noise at the highest λ")),
        _written("stationary-easier-lambda", _stationary_less_environment("lambda")),
        _written("stationary-easier-snr", _stationary_less_environment("snr")),
        _written("hardest-lambda", ranking("lambda", "fish_market", "hardest")),
        _written("hardest-snr", ranking("snr", "fish_market", "hardest")),
        _written("easiest-lambda", ranking("lambda", "brown", "easiest")),
        _written("noisy-97", prints(97.28, lambda e: e.table5["accuracy_pct"].mean(), " %")),
        _written(
            "gain-12",
            prints(12.35, lambda e: six("D", "noisy_accuracy_pct")(e) - six("B", "noisy_accuracy_pct")(e), " points"),
        ),
        _written("gain-12-here", better("D", "B", "noisy")),
        _written("transformer-falls-12", prints(12, fall("B"), " points", 0.5)),
        _written("drop-column", holds(drops)),
        _written(
            "gap-12",
            prints(12, lambda e: six("D", "noisy_accuracy_pct")(e) - six("B", "noisy_accuracy_pct")(e), " points", 0.5),
        ),
        _written("most-robust", holds(least_loss)),
        _written("leap", holds(leap)),
        _written("spectral-robust-here", falls_less("A", "B")),
        *(
            Claim(
                FUSION,
                f"fusion-beats-{row}-{speech}",
                "contribution 2",
                f"Fusion beats row {row} alone on {speech} speech.",
                "paired difference of UAR over speakers",
                better("D", row, speech),
            )
            for row in "AB"
            for speech in ("clean", "noisy")
        ),
        *(
            Claim(
                FUSION,
                f"attention-helps-{speech}",
                "IV-C",
                f"Attentive pooling beats mean pooling on {speech} speech.",
                "paired difference of rows D and C over speakers",
                better("D", "C", speech),
            )
            for speech in ("clean", "noisy")
        ),
        *(
            Claim(
                FUSION,
                f"{id}-{speech}",
                "III-C",
                f"{text} helps on {speech} speech.",
                "baseline less the variant without it, equal steps",
                better("baseline", variant, speech, "07_ablation/variants"),
            )
            for id, text, variant in (
                ("noise-augmentation", "Noise augmentation", "no noisy rows"),
                ("pitch-augmentation", "Pitch augmentation", "no pitched rows"),
                ("augmentation", "Fourfold augmentation", "clean rows only"),
            )
            for speech in ("clean", "noisy")
        ),
        _written(
            "throughput",
            prints(
                6,
                lambda e: 100 * (1 - six("D", "noisy_samples_per_s")(e) / six("B", "noisy_samples_per_s")(e)),
                " %",
                0.5,
            ),
        ),
        _written("throughput-here", found("07_ablation/speed", _throughput)),
    ]


def _throughput(speed) -> tuple[bool, str] | None:
    rate = speed.set_index("system")["clips_per_s"]
    if not {"B", "D"} <= set(rate.index):
        return None
    cost = 100 * (1 - rate["D"] / rate["B"])
    return cost < 10, f"row B {rate['B']:.0f}, row D {rate['D']:.0f} clips a second: {cost:.0f} % less"


def _loudest_stationary(evidence: Evidence):
    rows = evidence.noisy()
    if rows is None:
        return None
    rows = rows[rows["noise"].isin(list(noise.COLOURS)) & (rows["system"] == "D")]
    return rows[rows["level"] == rows["level"].max()]


def _stationary_less_environment(axis: str) -> Check:
    def grid(kinds):
        def select(evidence: Evidence):
            rows = evidence.artefact("06_robustness/predictions")
            if rows is None or "noise_part" not in rows:
                return None
            kept = (rows["level_kind"] == axis) & (rows["noise_part"] == "test") & (rows["system"] == "D")
            return rows[kept & rows["noise"].isin(kinds)]

        return select

    return difference_of(
        grid(noise.COLOURS),
        grid(noise.ENVIRONMENTS),
        f"stationary − environmental at equal {axis}",
        "06_robustness/predictions",
    )


# explanations ---------------------------------------------------------------------------------------------------------


def _explanations() -> list[Claim]:
    def deleted(name: str):
        return lambda table: table.loc[table["explanation"] == name, "more than control"]

    def follows(name: str):
        return lambda table: table[name]

    def cepstral(table) -> tuple[bool, str]:
        means = table.groupby("descriptor")["importance"].mean()
        listed = ", ".join(f"{name} {value / means.mean():.2f}" for name, value in means.items())
        return means.idxmax() == "MFCC", f"mean |φ| of a feature, relative: {listed}"

    def additive(table) -> tuple[bool, str]:
        share = table.set_index("method").iloc[0, -1]
        return share < 5, f"the shares fail to add up by {share:.1f} % of the logits' range"

    above, below = (lambda low, high: low > 0), (lambda low, high: low > 0.7)
    source = "08_xai/explanations"
    return [
        *(
            Claim(
                FUSION,
                f"causal-{id}",
                "V-A2",
                f"Muting what {name} marks makes confidence collapse, which proves causation.",
                "fall beyond that of muting as much elsewhere",
                mean_of(source, deleted(name), f"{name}, fall beyond control", above),
            )
            for id, name in (("score-cam", "Score-CAM"), ("shap", "SHAP"), ("occlusion", "occlusion"))
        ),
        *(
            Claim(
                FUSION,
                f"aligned-{id}",
                "V-A",
                f"{name} aligns tightly with high-energy speech.",
                "rank correlation with frame energy above 0.7",
                mean_of("08_xai/energy", follows(name), f"{name}, correlation with energy", below),
            )
            for id, name in (("score-cam", "Score-CAM"), ("shap", "SHAP"))
        ),
        *(
            Claim(
                FUSION,
                f"silence-{id}",
                "V-B3",
                f"{name} gives silence little weight.",
                "rank correlation with energy above zero",
                mean_of("08_xai/energy", follows(name), f"{name}, correlation with energy", above),
            )
            for id, name in (("score-cam", "Score-CAM"), ("shap", "SHAP"))
        ),
        _written("texture-first", found("08_xai/shap", cepstral)),
        _written("additive", found("08_xai/additivity", additive)),
    ]


# the other papers -----------------------------------------------------------------------------------------------------


def _falls_with_snr(table) -> tuple[bool, str]:
    rank = table[["snr_db", "c"]].corr(method="spearman").iloc[0, 1]
    return rank > 0.5, f"rank correlation of c and the true SNR {rank:+.2f}"


def _related() -> list[Claim]:
    attention = facts.table("2507.03251-accuracy").set_index("corpus")["accuracy_pct"]
    humpcat = facts.table("2501.10408-accuracy").set_index("target")["accuracy_pct"]
    trnet = facts.table("2404.12979-results").set_index("test set")

    def quoted_range(low: float, high: float) -> Check:
        def statement(evidence: Evidence) -> tuple[bool, str]:
            return (low, high) == (
                attention.min(),
                attention.max(),
            ), f"its table runs from {attention.min()} to {attention.max()}"

        return holds(statement)

    def average(evidence: Evidence) -> tuple[bool, str]:
        mean, given = humpcat.iloc[-1], humpcat.iloc[:-1]
        rest = (7 * mean - given.sum()) / (7 - len(given))
        return given.min() <= rest <= given.max(), f"leaves {rest:.2f} % for the other {7 - len(given)} targets"

    def unweighted(evidence: Evidence) -> tuple[bool, str]:
        gaps = trnet["uar_pct"] - trnet["war_pct"]
        return bool((gaps > 0).all()), f"UAR − WAR: {', '.join(f'{gap:+.2f}' for gap in gaps)} points"

    def alike(evidence: Evidence) -> tuple[bool, str]:
        gap = float(np.ptp(trnet["uar_pct"]))
        return gap < 1, f"UAR in the two noises differs by {gap:.2f} points"

    def system(name: str, other: str, text: str, paper: str, id: str, place: str) -> Claim:
        return Claim(
            paper, id, place, text, "paired difference on unheard speakers", better(name, other, "clean", RELATED)
        )

    return [
        *(
            Claim(
                ATTENTION,
                f"attention-{_KEY_OF[corpus]}",
                "results",
                f"{corpus}: accuracy {value} %.",
                "accuracy on unheard speakers",
                score(value, RELATED, system="cnn_attention", corpus=_KEY_OF[corpus]),
            )
            for corpus, value in attention.items()
        ),
        _written("attention-range-high", quoted_range(97.49, 99.82)),
        _written("attention-range", quoted_range(89.31, 99.82)),
        system(
            "cnn_attention",
            "cnn_attention: no attention",
            "Channel and spatial attention help.",
            ATTENTION,
            "attention-attention",
            "abstract",
        ),
        system(
            "cnn_attention",
            "cnn_attention: no augmentation",
            "Augmentation makes the model more robust.",
            ATTENTION,
            "attention-augmentation",
            "abstract",
        ),
        _written("humpcat-average", holds(average)),
        *(
            Claim(
                HUMPCAT,
                f"humpcat-{id}",
                "results",
                f"{target}: accuracy {humpcat[target]} %.",
                "accuracy on unheard speakers",
                score(float(humpcat[target]), RELATED, system="humpcat", corpus=corpus),
            )
            for id, corpus, target in (
                ("emodb", "emodb", "EMO-DB (German)"),
                ("emovo", "emovo", "EMOVO (Italian)"),
                ("chinese", "chinese", "Chinese target"),
            )
        ),
        system(
            "humpcat",
            "humpcat: concatenation",
            "Cross-attention fuses better than concatenation.",
            HUMPCAT,
            "humpcat-attention",
            "III-C",
        ),
        system(
            "humpcat",
            "humpcat: last layer",
            "HuBERT's layers 1 and 9 serve better than the last.",
            HUMPCAT,
            "humpcat-layers",
            "III-B",
        ),
        system(
            "humpcat",
            "humpcat: no transfer",
            "Pretraining on English helps other languages.",
            HUMPCAT,
            "humpcat-transfer",
            "abstract",
        ),
        *(
            Claim(
                TRNET,
                f"trnet-{'esc' if 'ESC' in name else 'musan'}-{column[:3]}",
                "results",
                f"{name}: {column[:3].upper()} {row[column]} %.",
                "the rebuilt system on unheard speakers",
                score(
                    float(row[column]),
                    RELATED,
                    "uar" if column == "uar_pct" else "accuracy",
                    system="trnet",
                    noise=name,
                ),
            )
            for name, row in trnet.iterrows()
            for column in ("uar_pct", "war_pct")
        ),
        _written("trnet-order", holds(unweighted)),
        _written("trnet-unmatched", holds(alike)),
        _written("trnet-snr", found("09_related_systems/coefficient", _falls_with_snr)),
        system("trnet", "trnet: no low-level loss", "Low-level compensation helps.", TRNET, "trnet-low", "3.3"),
        system("trnet", "trnet: no high-level loss", "High-level calibration helps.", TRNET, "trnet-high", "3.4"),
        system("trnet", "trnet: enhanced only", "Clean speech does not suffer.", TRNET, "trnet-clean", "abstract"),
    ]


CLAIMS: tuple[Claim, ...] = (
    *_corpora(),
    *_signals(),
    *_model(),
    *_tables(),
    *_stated(),
    *_explanations(),
    *_related(),
)
