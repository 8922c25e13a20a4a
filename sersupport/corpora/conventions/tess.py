"""TESS."""

from __future__ import annotations

from sersupport.corpora.convention import Corpus

CORPUS = Corpus(
    title="TESS",
    language="en",
    example="OAF_back_angry.wav",
    pattern=r"(?P<speaker>[OY]AF)_(?P<text>[a-z]+)_(?P<emotion>[a-z]+)",
    folders=("tess",),
    speakers={"OAF": "F", "YAF": "F"},
    emotions={
        "angry": "angry",
        "disgust": "disgust",
        "fear": "fear",
        "happy": "happy",
        "neutral": "neutral",
        "sad": "sad",
        "ps": "surprise",
    },  # "pleasant surprise"
    carrier="Say the word {}",
    misnamed={"OA_bite_neutral": "OAF_bite_neutral"},
)
