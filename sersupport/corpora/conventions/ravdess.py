"""RAVDESS."""

from sersupport.corpora.convention import Corpus

CORPUS = Corpus(
    title="RAVDESS", language="en", folders=("ravdess",), example="03-01-05-02-01-01-12.wav",
    pattern=r"(?P<modality>0[123])-(?P<channel>0[12])-(?P<emotion>0\d)-(?P<intensity>0[12])-"
    r"(?P<text>0[12])-0[12]-(?P<speaker>\d\d)",
    speakers={f"{actor:02d}": "FM"[actor % 2] for actor in range(1, 25)},
    emotions={
        "01": "neutral", "02": "calm", "03": "happy", "04": "sad", "05": "angry", "06": "fear", "07": "disgust",
        "08": "surprise",
    },
    intensities={"01": "normal", "02": "strong"},
    texts={"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"},
    excluded={
        ("modality", "01"): "audio-visual, not audio-only",
        ("modality", "02"): "video-only",
        ("channel", "02"): "song, not speech",
    },
)  # fmt: skip
