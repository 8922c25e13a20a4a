"""SAVEE."""

from sersupport.corpora.convention import Corpus

CORPUS = Corpus(
    title="SAVEE", language="en", folders=("savee",), example="DC_a01.wav or DC/a01.wav",
    pattern=r"(?P<speaker>[A-Z]{2})[_/](?P<text>(?P<emotion>a|d|f|h|n|sa|su)\d\d)",
    speakers={"DC": "M", "JE": "M", "JK": "M", "KL": "M"},
    emotions={"a": "angry", "d": "disgust", "f": "fear", "h": "happy", "n": "neutral", "sa": "sad", "su": "surprise"},
    # Sentences 01-03 are common to all classes; from 04 on a number means another sentence in each. The
    # twelve emotion-specific ones recur as neutral, in an order that no document numbers: they keep their
    # codes, and a text-disjoint split of SAVEE is disjoint only up to them.
    texts={
        f"{emotion}{number}": sentence
        for emotion in ("a", "d", "f", "h", "n", "sa", "su")
        for number, sentence in (
            ("01", "She had your dark suit in greasy wash water all year"),
            ("02", "Don't ask me to carry an oily rag like that"),
            ("03", "Will you tell me why"),
        )
    },
)  # fmt: skip
