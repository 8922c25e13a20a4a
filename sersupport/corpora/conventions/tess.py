"""TESS."""

from sersupport.corpora.convention import EMOTIONS, Corpus

CORPUS = Corpus(
    title="TESS", language="en", folders=("tess",), example="OAF_back_angry.wav",
    pattern=r"(?P<speaker>[OY]AF)_(?P<text>[a-z]+)_(?P<emotion>[a-z]+)",
    speakers={"OAF": "F", "YAF": "F"},
    emotions={emotion: emotion for emotion in EMOTIONS[:-1]} | {"ps": "surprise"},  # "pleasant surprise"
    carrier="Say the word {}",
    misnamed={"OA_bite_neutral": "OAF_bite_neutral"},
)  # fmt: skip
