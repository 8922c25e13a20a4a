"""What arXiv 2512.18298 says that it did: its corpora, signals and network (sections III and V-B)."""

import numpy as np

from sersupport.claims import facts
from sersupport.claims.checks import holds, no_gap, undefined
from sersupport.claims.evidence import LADDER, Evidence, written
from sersupport.core.seeds import generator
from sersupport.corpora.protocols import THINNED
from sersupport.sound.audio import RATE_HZ
from sersupport.sound.colours import COLOURS, spectral_slope_db_per_octave

_TABLE2 = facts.table("2512.18298-table2-corpora").set_index("corpus")
_TABLE3 = facts.table("2512.18298-table3-classes").set_index("emotion")
_TABLE6 = facts.table("2512.18298-table6-ablation").set_index("row")

# the corpora ----------------------------------------------------------------------------------------------------------


def _add_up(evidence: Evidence) -> tuple[bool, str]:
    cells, samples = _TABLE3.drop(columns="total"), _TABLE2["samples"]
    sums = {"corpora": (cells.sum(), samples), "classes": (cells.sum(axis=1), _TABLE3["total"])}
    wrong = {name: int((own != given[own.index]).sum()) for name, (own, given) in sums.items()}
    totals = (int(samples.sum()), int(_TABLE2["speakers"].sum()))
    right = ", ".join(f"{len(own) - wrong[name]} of {len(own)} {name}" for name, (own, _) in sums.items())
    words = f"Table II has {totals[0]:,} samples of {totals[1]} speakers; Table III's sums are as printed for {right}"
    return totals == (12162, 121) and not any(wrong.values()), words


def _classes(evidence: Evidence) -> tuple[bool, str]:
    number = int((_TABLE3["TESS"] > 0).sum())
    return number == 2, f"Table III gives TESS {number} classes"


def _savee(evidence: Evidence) -> tuple[bool, str]:
    given, said = int(_TABLE2.loc["SAVEE", "samples"]), 15 * 7 * 4
    return given == said, f"15 sentences × 7 emotions × 4 speakers are {said}, Table II prints {given}"


_SPLITS = ["row-random", "speaker-disjoint"]


def _split(evidence: Evidence) -> str:
    """Scores of a split that is not printed show neither; what a split alone can make of them stands beside."""
    ladder = evidence.artefact(LADDER)
    clean = ladder[ladder["condition"] == "clean"]
    right = (clean["true"] == clean["predicted"]).groupby(clean["protocol"]).mean()
    words = ", ".join(f"{100 * right[name]:.1f} % {name}" for name in right.index.intersection(_SPLITS))
    return (
        "the paper does not say how it split, so its scores may be of known speakers, or of known recordings; one"
        f" model of this run on clean speech: {words}"
    )


_CORPORA = {
    "corpora-add-up": holds(_add_up),
    "tess-binary": holds(_classes),
    "savee-sentences": holds(_savee),
    "no-speaker-overfitting": no_gap(
        "utterance-grouped", "speaker-disjoint", "utterance-grouped − speaker-disjoint", "cremad"
    ),
    "generalises": undefined(_split, source=LADDER),
    "words-do-not-matter": no_gap(THINNED, "speaker-and-text-disjoint", "known − unknown texts"),
}

# noise and pitch ------------------------------------------------------------------------------------------------------


def _slopes(evidence: Evidence) -> tuple[bool, str]:
    laws = {"white": 0, "pink": 1, "brown": 2}
    found = {
        colour: np.mean([
            spectral_slope_db_per_octave(COLOURS[colour](10 * RATE_HZ, generator(0, colour, k)), RATE_HZ)
            for k in range(5)
        ])
        for colour in laws
    }  # fmt: skip
    off = [abs(found[colour] + 10 * beta * np.log10(2)) for colour, beta in laws.items()]
    return max(off) < 0.3, ", ".join(f"{colour} {slope:+.2f} dB an octave" for colour, slope in found.items())


def _pitch_equation(evidence: Evidence) -> tuple[bool, str]:
    n, factor = 65536, 2 ** (0.7 / 12)
    pulse = np.exp(-0.5 * ((np.arange(n) - n / 2) / 100) ** 2)
    spectrum, frequency = np.fft.fftshift(np.fft.fft(np.fft.ifftshift(pulse))), np.fft.fftshift(np.fft.fftfreq(n))
    scaled = np.interp(frequency * factor, frequency, spectrum.real)
    moved = np.abs(np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(scaled))))
    widths = [np.sqrt(np.sum((np.arange(n) - n / 2) ** 2 * y**2) / np.sum(y**2)) for y in (pulse, moved)]
    change = widths[1] / widths[0]
    return abs(change - 1) < 0.01, f"X(f · 2^(0.7/12)) makes a pulse {change:.3f} times as long"


_SIGNALS = {"noise-colours": holds(_slopes), "pitch-duration": holds(_pitch_equation)}

_SHORTEST = 2368  # length of the spectral input, at least: Fig. 4d names Time_2367, an index from 0 (eq. 29)

# the network ----------------------------------------------------------------------------------------------------------


def _spectral_branch(evidence: Evidence) -> tuple[bool, str]:
    """What the printed blocks leave of so long an input is flattened and projected to 512 values (section III-E2)."""
    left = _SHORTEST
    for kernel, pool in ((5, 5), (5, 5), (3, 3)):  # with no padding, which print does not name: the least
        left = (left - kernel + 1 - pool) // 2 + 1
    least, printed = 128 * left * 512 / 1e6, _TABLE6["params_m"]["A"]
    words = (
        f"the paper explains the value at index {_SHORTEST - 1} of the input; of an input that long the three printed"
        f" blocks leave {left} × 128 values, and their projection to 512 has {least:.1f} M weights; printed for all of"
        f" row A: {printed:.1f} M"
    )
    return least <= printed, words


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


_NETWORK = {"parameters-cnn": holds(_spectral_branch), "streams-weighted": holds(_streams)}

CLAIMS = written(_CORPORA | _SIGNALS | _NETWORK)
