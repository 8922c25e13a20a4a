"""What arXiv 2512.18298 says that it did: its corpora, signals and network (sections III and V-B)."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from sersupport.claims import facts
from sersupport.claims.checks import difference_of, holds, measured, prints, rung
from sersupport.claims.evidence import LADDER, Check, Evidence, written
from sersupport.core.seeds import generator
from sersupport.corpora.conventions import CORPORA
from sersupport.recipes.drawing import VARIANTS
from sersupport.sound.audio import RATE_HZ
from sersupport.sound.colours import COLOURS, pink, spectral_slope_db_per_octave
from sersupport.sound.mixing import mix

FUSION = "2512.18298"
KEY_OF = {corpus.title: name for name, corpus in CORPORA.items()}
_FRAMES = 108  # of 2.5 s at 22,050 Hz and hop 512
_TABLE2 = facts.table("2512.18298-table2-corpora").set_index("corpus")
_TABLE3 = facts.table("2512.18298-table3-classes").set_index("emotion")
_SIZES = facts.table("2512.18298-table6-ablation").set_index("row")["params_m"].to_dict()  # in millions

# the corpora ----------------------------------------------------------------------------------------------------------


def _listed(counts: pd.Series) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _adds_up(evidence: Evidence, axis: int, given: pd.Series, what: str) -> tuple[bool, str]:
    """Whether Table III's cells add up along an axis to what is printed."""
    sums = _TABLE3.drop(columns="total").sum(axis=axis)
    wrong = given[sums.index][sums != given[sums.index]]
    return wrong.empty, f"{_listed(sums)}, together {sums.sum():,}; {what} {_listed(wrong) or 'the same'}"


def _classes(evidence: Evidence, corpus: str, wanted: int) -> tuple[bool, str]:
    number = int((_TABLE3[corpus] > 0).sum())
    return number == wanted, f"Table III gives {corpus} {number} classes"


def _savee(evidence: Evidence) -> tuple[bool, str]:
    given, said = int(_TABLE2.loc["SAVEE", "samples"]), 15 * 7 * 4
    return given == said, f"15 sentences × 7 emotions × 4 speakers are {said}, Table II prints {given}"


def _cremad(evidence: Evidence) -> tuple[bool, str]:
    texts, levels = len(CORPORA["cremad"].texts), len(CORPORA["cremad"].intensities)
    return (texts, levels) == (12, 4), f"the file names hold {texts} sentences and {levels} levels"


def _imbalance(evidence: Evidence) -> tuple[bool, str]:
    """Samples by women: a corpus's samples in the proportion of its speakers."""
    sexes = {title: list(CORPORA[KEY_OF[title]].speakers.values()) for title in _TABLE2.index}
    women = _TABLE2["samples"] * [sexes[title].count("F") / len(sexes[title]) for title in _TABLE2.index]
    rest = _TABLE2.index != "TESS"
    before, after = (women[part].sum() / _TABLE2["samples"][part].sum() for part in (rest, slice(None)))
    words = f"women speak {100 * before:.1f} % of the samples without TESS and {100 * after:.1f} % with it"
    return abs(after - 0.5) < abs(before - 0.5), words


def _no_gap(milder: str, stricter: str, words: str) -> Check:
    """What a claim needs that the stricter protocol should contradict: no fall of UAR that stands clear of zero."""
    return difference_of(rung(milder), rung(stricter), f"{words}, clean", LADDER, lambda low, high: low <= 0)


_CORPORA = {
    "total-samples": prints(12162, lambda e: _TABLE2["samples"].sum()),
    "total-speakers": prints(121, lambda e: _TABLE2["speakers"].sum()),
    "class-columns": holds(_adds_up, 0, _TABLE2["samples"], "Table II prints"),
    "class-rows": holds(_adds_up, 1, _TABLE3["total"], "its column of totals prints"),
    "tess-size": prints(2800, lambda e: 200 * (_TABLE3["TESS"] > 0).sum() * _TABLE2.loc["TESS", "speakers"]),
    "tess-binary": holds(_classes, "TESS", 2),
    "savee-classes": holds(_classes, "SAVEE", 7),
    "savee-sentences": holds(_savee),
    "cremad-design": measured(_cremad),
    "sex-balance": holds(_imbalance),
    "no-speaker-overfitting": _no_gap("utterance-grouped", "speaker-disjoint", "utterance-grouped − speaker-disjoint"),
    "generalises": _no_gap("row-random", "speaker-disjoint", "row-random − speaker-disjoint"),
    "words-do-not-matter": _no_gap("speaker-disjoint", "speaker-and-text-disjoint", "known − unknown texts"),
}

# noise, pitch, features -----------------------------------------------------------------------------------------------


def _slope(evidence: Evidence, colour: str, beta: int) -> tuple[bool, str]:
    draws = [COLOURS[colour](10 * RATE_HZ, generator(0, colour, k)) for k in range(5)]
    found = np.mean([spectral_slope_db_per_octave(draw, RATE_HZ) for draw in draws])
    law = -10 * beta * np.log10(2)
    return abs(found - law) < 0.3, f"measured {found:+.2f} dB an octave, the law gives {law:+.2f}"


def _octaves(evidence: Evidence) -> tuple[bool, str]:
    power = np.abs(np.fft.rfft(pink(20 * RATE_HZ, generator(0, "octaves")))) ** 2
    frequency = np.fft.rfftfreq(20 * RATE_HZ, 1 / RATE_HZ)
    starts = (125, 250, 500, 1000, 2000, 4000)
    octaves = [10 * np.log10(power[(frequency >= f) & (frequency < 2 * f)].sum()) for f in starts]
    return np.ptp(octaves) < 1, f"octaves from 125 Hz to 8 kHz differ by {np.ptp(octaves):.2f} dB at most"


def _peak_ratio(evidence: Evidence, scale: str) -> tuple[bool, str]:
    """Whether an equation scales noise to a share of the speech's peak: speech at 0.3 of full scale, noise at 2."""
    speech, other = generator(0, "peak ratio").standard_normal((2, 4000))
    speech, other = 0.3 * speech / np.abs(speech).max(), 2 * other / np.abs(other).max()
    ratio = np.abs(mix(speech, other, 0.5, scale).noise_added).max() / np.abs(speech).max()
    words = f"for λ = 0.5 and speech at 0.3 of full scale its noise peaks at {ratio:.2f} of the speech's peak"
    return abs(ratio - 0.5) < 1e-6, words


def _pitch_equation(evidence: Evidence) -> tuple[bool, str]:
    n, factor = 4096, 2 ** (0.7 / 12)
    pulse = np.exp(-0.5 * ((np.arange(n) - n / 2) / 100) ** 2)
    spectrum, frequency = np.fft.fftshift(np.fft.fft(np.fft.ifftshift(pulse))), np.fft.fftshift(np.fft.fftfreq(n))
    scaled = np.interp(frequency * factor, frequency, spectrum.real)
    moved = np.abs(np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(scaled))))
    widths = [np.sqrt(np.sum((np.arange(n) - n / 2) ** 2 * y**2) / np.sum(y**2)) for y in (pulse, moved)]
    change = widths[1] / widths[0]
    return abs(change - 1) < 0.01, f"X(f · 2^(0.7/12)) makes a pulse {change:.3f} times as long"


def _feature_1191(evidence: Evidence, what: str, each: str, fits: Callable[[int, float], bool]) -> tuple[bool, str]:
    """What equation 29 makes of Feature 1191: the number of its coefficient, and its place in the clip in percent."""
    from sersupport.inputs.descriptors import index_to_feature

    features = {k: index_to_feature(1191, _FRAMES, k) for k in (40, 20)}
    found = {k: (feature.coefficient, 100 * feature.frame / (_FRAMES - 1)) for k, feature in features.items()}
    listed = ", ".join(each.format(k=k, number=number, place=place) for k, (number, place) in found.items())
    return fits(*found[40]), f"by equation 29 Feature 1191 {what} {listed}; the text says K = 40"


def _k40(evidence: Evidence) -> tuple[bool, str]:
    from sersupport.inputs.descriptors import Descriptors
    from sersupport.systems.fusion import count_parameters

    length = {k: Descriptors(n_mfcc=k).length(round(2.5 * RATE_HZ)) for k in (40, 20)}
    size = {k: count_parameters("C", n) / 1e6 for k, n in length.items()}
    words = ", ".join(f"K = {k}: L = {length[k]:,} and {size[k]:.1f} M" for k in size)
    return abs(size[40] - _SIZES["C"]) < 0.05, f"row C is printed with {_SIZES['C']:.1f} M; {words}"


_SIGNALS = {
    "white-slope": measured(_slope, "white", 0),
    "pink-slope": measured(_slope, "pink", 1),
    "brown-slope": measured(_slope, "brown", 2),
    "pink-octaves": measured(_octaves),
    "peak-ratio-environment": holds(_peak_ratio, "peak"),
    "peak-ratio-stationary": holds(_peak_ratio, "unit"),
    "peak-ratio-augmentation": holds(_peak_ratio, "raw"),
    "pitch-duration": holds(_pitch_equation),
    "quadruplet": prints(4, lambda e: len(VARIANTS)),
    "k-40": holds(_k40),
    "feature-1191-time": holds(
        _feature_1191, "lies at", "{place:.0f} % of the clip at K = {k}", lambda number, place: abs(place - 50) <= 10
    ),
    "feature-1191-coefficient": holds(
        _feature_1191, "is coefficient", "number {number} of {k}", lambda number, place: number >= 20
    ),
}

# the network ----------------------------------------------------------------------------------------------------------


def _millions(row: str) -> float:
    from sersupport.systems.fusion import count_parameters

    return count_parameters(row) / 1e6


def _size(row: str) -> Check:
    # printed digits may be rounded or cut off
    return prints(_SIZES[row], lambda e: _millions(row), " M", 0.1, "section III-E at K = 20 gives")


def _streams(evidence: Evidence) -> tuple[bool, str]:
    """Whether the pooling weights see the spectral stream, and whether that stream has frames to be weighted."""
    import torch

    from sersupport.systems.fusion import FusionConfig, FusionModel

    torch.manual_seed(0)
    model = FusionModel(FusionConfig(spectral_length=400, frame_dim=8, cnn_width=0.02)).eval()
    frames, length = torch.randn(1, 6, 8), torch.tensor([6])
    spectral = [torch.randn(1, 400) for _ in range(2)]
    first, second = (model(spectral=x, frames=frames, frames_length=length).pooling_weights.detach() for x in spectral)
    change = float((first - second).abs().max())
    size = model.branch("spectral", spectral[0]).shape[1]
    words = f"another spectral input changes the weights by {change:.1g}; it is one vector of {size} values a clip"
    return change > 0, words


_NETWORK = {
    **{f"parameters-{row}": _size(row) for row in "ABCD"},
    "parameters-cnn": prints(
        11.9, lambda e: _SIZES["C"] - _SIZES["B"], " M", 0.2, "rows C and B, which differ by the CNN, give"
    ),
    "parameters-pooling": prints(
        0.7, lambda e: _millions("D") - _millions("C"), " M", 0.1, "equation 20 with 768 dimensions gives"
    ),
    "streams-weighted": holds(_streams),
}

CLAIMS = tuple(written(_CORPORA | _SIGNALS | _NETWORK))
