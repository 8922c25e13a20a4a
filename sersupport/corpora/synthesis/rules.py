"""Seven emotions as changes of prosody, after the literature, and the chance that makes no two renderings alike."""

from dataclasses import dataclass, fields

import numpy as np

from sersupport.core.seeds import generator
from sersupport.corpora.synthesis.script import Item


@dataclass(frozen=True)
class Prosody:
    """Change of prosody relative to the speaker's neutral voice.

    Parameters
    ----------
    f0_st : float
        F0 level, semitones.
    f0_range : float
        Factor on the excursions of F0 around its level (in semitones).
    end_st : float
        Rise (or fall) of F0 reached at the end of the phrase, semitones.
    rate : float
        Factor on the speaking rate.
    intensity_db : float
        Level, dB.
    tilt_db_per_octave : float
        Spectral slope above 500 Hz: positive is tense and bright, negative is lax and dull.
    breath : float
        Amplitude of aspiration noise relative to the speech envelope.
    jitter_st : float
        Standard deviation of irregular F0 from one 10 ms step to the next, semitones.
    tremor_st : float
        Amplitude of a 6 Hz modulation of F0, semitones.
    source : str
        Where the rule is published.

    References
    ----------
    .. [1] I. R. Murray and J. L. Arnott, "Toward the simulation of emotion in synthetic speech", JASA 93(2), 1993,
       summary table of human vocal emotion effects.
    .. [2] K. R. Scherer, "Vocal communication of emotion", Speech Communication 40, 2003, table of acoustic patterns.
    .. [3] J. E. Cahn, "The generation of affect in synthesized speech", J. American Voice I/O Society 8, 1990.
    .. [4] F. Burkhardt, "Emofilt: the simulation of emotional speech by prosody-transformation", Interspeech 2005.
    """

    f0_st: float = 0.0
    f0_range: float = 1.0
    end_st: float = 0.0
    rate: float = 1.0
    intensity_db: float = 0.0
    tilt_db_per_octave: float = 0.0
    breath: float = 0.0
    jitter_st: float = 0.0
    tremor_st: float = 0.0
    source: str = ""

    def vector(self) -> np.ndarray:
        """Return the nine figures, factors as log2, so that rules can be scaled and mixed linearly."""
        values = np.array([getattr(self, field.name) for field in fields(self)[:-1]], dtype=float)
        values[_FACTORS] = np.log2(values[_FACTORS])
        return values


_FACTORS = [1, 3]  # f0_range and rate: factors, handled as log2

# Direction and order of size are published; the figures are ours, chosen so that Praat measures those directions.
RULES: dict[str, Prosody] = {
    "neutral": Prosody(source="reference"),
    "angry": Prosody(4.0, 1.9, -1.0, 1.16, 7.0, 3.5, 0.0, 0.15, 0.0, "Murray & Arnott: pitch much higher and wider, "
                     "slightly faster, louder, tense, abrupt on stress; Scherer: more high-frequency energy"),
    "disgust": Prosody(-3.5, 1.3, -3.0, 0.68, -4.0, -1.0, 0.0, 0.8, 0.0, "Murray & Arnott: very much slower, very "
                       "much lower, slightly wider, quieter, grumbled, wide downward terminal inflections"),
    "fear": Prosody(6.5, 1.5, 0.5, 1.40, -0.5, 1.5, 0.1, 0.5, 1.2, "Murray & Arnott: much faster, very much higher, "
                    "much wider, normal intensity, irregular voicing; Emofilt: trembling"),
    "happy": Prosody(3.5, 2.0, 1.5, 1.12, 3.5, 1.5, 0.1, 0.0, 0.0, "Murray & Arnott: much higher and wider, louder, "
                     "breathy, upward inflections; Scherer: faster"),
    "sad": Prosody(-2.0, 0.45, -1.0, 0.80, -5.5, -3.5, 0.25, 0.1, 0.0, "Murray & Arnott: slightly lower, narrower "
                   "and slower, quieter, downward inflections; Scherer: less high-frequency energy"),
    "surprise": Prosody(4.5, 1.8, 8.0, 1.10, 2.0, -1.5, 0.35, 0.0, 0.0, "Cahn: range wide, contour rising, faster, "
                        "louder; the level of F0 follows from its rise"),
}  # fmt: skip
CALM = Prosody(-0.3, 0.9, 0.0, 0.96, -1.0, -0.5, 0.03, 0.0, 0.0, "RAVDESS's second baseline, close to neutral")

# The published sign of each measured quantity against neutral; 0 is the literature's "normal". Keys: measure_prosody.
RULE_DIRECTIONS: dict[str, dict[str, int]] = {
    emotion: dict(zip(("f0_mean_hz", "f0_range_semitones", "rate_syllables_per_s", "intensity_db"), signs, strict=True))
    for emotion, signs in {
        "angry": (+1, +1, +1, +1), "disgust": (-1, +1, -1, -1), "fear": (+1, +1, +1, 0), "happy": (+1, +1, +1, +1),
        "sad": (-1, -1, -1, -1), "surprise": (+1, +1, +1, +1),
    }.items()
}  # fmt: skip

# Variation. Standard deviations in the units of Prosody.vector(): of one utterance, and of a speaker's own way.
_SPREAD = np.array([0.48, 0.1, 0.64, 0.036, 0.72, 0.36, 0.024, 0.024, 0.056])
_OWN_WAY = 0.5  # x _SPREAD, drawn once a speaker and emotion
_MIX = 0.3  # most of a neighbouring emotion that an utterance can hold
_STRENGTH_SD = 0.1  # of the logarithm of the strength
_NEIGHBOURS = {  # what each is taken for
    "angry": ("happy", "disgust"), "happy": ("surprise", "angry"), "surprise": ("happy", "fear"),
    "fear": ("surprise", "sad"), "sad": ("neutral", "disgust"), "disgust": ("sad", "angry"),
    "neutral": ("sad", "disgust"), "calm": ("neutral", "sad"),
}  # fmt: skip


def intent(item: Item, seed: int, rng: np.random.Generator) -> np.ndarray:
    """Draw what this utterance does: the rule, how strongly, towards which neighbour, the speaker's way, chance."""
    rules = {**RULES, "calm": CALM}
    own = generator(seed, "speaker", item.speaker.corpus, item.speaker.code, wide=True)
    expressiveness = own.normal(1.0, 0.12)
    way = dict(zip(rules, own.normal(0.0, _OWN_WAY, (len(rules), len(_SPREAD))) * _SPREAD, strict=True))
    neighbour = _NEIGHBOURS[item.emotion][rng.integers(2)]
    mix = _MIX * rng.beta(1.0, 3.0)
    rule = (1 - mix) * rules[item.emotion].vector() + mix * rules[neighbour].vector()
    strength = item.strength * expressiveness * rng.lognormal(0.0, _STRENGTH_SD)
    values = strength * rule + way[item.emotion] + rng.normal(0.0, 1.0, len(_SPREAD)) * _SPREAD
    values[-3:] = np.maximum(values[-3:], 0.0)  # breath, jitter and tremor are amplitudes
    return values
