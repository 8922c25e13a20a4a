"""sersupport.corpora.conventions: names to fields and back."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sersupport.corpora.convention import EMOTIONS, LABELS
from sersupport.corpora.conventions import CORPORA, parse
from sersupport.sound.audio import AudioError


# Writers of the published conventions, apart from the readers' patterns: fields -> (path, expected label).
def ravdess_name(emotion, intensity, text, take, actor):
    label = ("neutral", "calm", "happy", "sad", "angry", "fear", "disgust", "surprise")[emotion - 1]
    sentence = ("Kids are talking by the door", "Dogs are sitting by the door")[text - 1]
    name = f"03-01-{emotion:02d}-{intensity:02d}-{text:02d}-{take:02d}-{actor:02d}"
    return f"Actor_{actor:02d}/{name}.wav", (
        f"ravdess/{name}", f"ravdess-{actor:02d}", "M" if actor % 2 else "F", label,
        ("normal", "strong")[intensity - 1], sentence)  # fmt: skip


def cremad_name(actor, sentence, emotion, level):
    name = f"{actor}_{sentence}_{emotion[:3].upper()}_{level[:2].upper() if level != 'unspecified' else 'XX'}"
    text = {"DFA": "Don't forget a jacket", "IEO": "It's eleven o'clock", "TSI": "The surface is slick"}[sentence]
    level = {"lo": "low", "md": "medium", "hi": "high"}.get(level, level)
    sex = "M" if actor in {1001, 1005, 1064, 1090} else "F"
    emotion = {"anger": "angry"}.get(emotion, emotion)
    return f"AudioWAV/{name}.wav", (f"cremad/{name}", f"cremad-{actor}", sex, emotion, level, text)


def tess_name(speaker, word, emotion):
    name = f"{speaker}_{word}_{'ps' if emotion == 'surprise' else emotion}"
    return f"{speaker}_{emotion}/{name}.wav", (
        f"tess/{name}", f"tess-{speaker}", "F", emotion, "unspecified", f"Say the word {word}")  # fmt: skip


def savee_name(speaker, emotion, number, separator):
    code = {"sad": "sa", "surprise": "su"}.get(emotion, emotion[0])
    common = {
        1: "She had your dark suit in greasy wash water all year",
        2: "Don't ask me to carry an oily rag like that",
        3: "Will you tell me why",
    }
    text = common.get(number, f"{code}{number:02d}")
    return f"AudioData/{speaker}{separator}{code}{number:02d}.wav", (
        f"savee/{speaker}_{code}{number:02d}", f"savee-{speaker}", "M", emotion, "unspecified", text,
    )  # fmt: skip


def emodb_name(speaker, text, emotion, version):
    letter = {"angry": "W", "disgust": "E", "fear": "A", "happy": "F", "neutral": "N", "sad": "T"}[emotion]
    sentence = {
        "a02": "Das will sie am Mittwoch abgeben",
        "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen",
    }
    name = f"{speaker}{text}{letter}{version}"
    sex = {"03": "M", "08": "F", "12": "M", "16": "F"}[speaker]
    return f"wav/{name}.wav", (
        f"emodb/{name}",
        f"emodb-{speaker}",
        sex,
        emotion,
        "unspecified",
        sentence[text],
    )


def emovo_name(emotion, speaker, text):
    italian = {"angry": "rab", "disgust": "dis", "fear": "pau", "happy": "gio", "neutral": "neu",
               "sad": "tri", "surprise": "sor"}[emotion]  # fmt: skip
    sentence = {"b3": "La cascata fa molto rumore", "d1": "Sabato sera cosa farà"}[text]
    name = f"{italian}-{speaker}-{text}"
    return f"{speaker}/{name}.wav", (
        f"emovo/{name}", f"emovo-{speaker}", speaker[0].upper(), emotion, "unspecified", sentence,
    )  # fmt: skip


six = st.sampled_from([emotion for emotion in EMOTIONS if emotion != "surprise"])
seven = st.sampled_from(EMOTIONS)
CONVENTIONS = {
    "ravdess": st.builds(
        ravdess_name,
        emotion=st.integers(1, 8),
        intensity=st.integers(1, 2),
        text=st.integers(1, 2),
        take=st.integers(1, 2),
        actor=st.integers(1, 24),
    ),
    "cremad": st.builds(
        cremad_name,
        actor=st.sampled_from([1001, 1002, 1005, 1064, 1075, 1090, 1091]),
        sentence=st.sampled_from(["DFA", "IEO", "TSI"]),
        emotion=st.sampled_from(["anger", "fear", "happy", "neutral", "sad"]),
        level=st.sampled_from(["lo", "md", "hi", "unspecified"]),
    ),
    "tess": st.builds(
        tess_name,
        speaker=st.sampled_from(["OAF", "YAF"]),
        word=st.text("abcdefghijklmnopqrstuvwxyz", min_size=2, max_size=8),
        emotion=seven,
    ),
    "savee": st.builds(
        savee_name,
        speaker=st.sampled_from(["DC", "JE", "JK", "KL"]),
        emotion=seven,
        number=st.integers(1, 30),
        separator=st.sampled_from("_/"),
    ),
    "emodb": st.builds(
        emodb_name,
        speaker=st.sampled_from(["03", "08", "12", "16"]),
        text=st.sampled_from(["a02", "b10"]),
        emotion=six,
        version=st.sampled_from(["", "a", "b", "d"]),
    ),
    "emovo": st.builds(
        emovo_name,
        emotion=seven,
        speaker=st.sampled_from(["f1", "f3", "m2"]),
        text=st.sampled_from(["b3", "d1"]),
    ),
}


@pytest.mark.parametrize("corpus", CONVENTIONS)
def test_names_are_read_as_they_were_written(corpus):
    @settings(max_examples=50, deadline=None)
    @given(CONVENTIONS[corpus])
    def round_trip(written):
        path, expected = written
        assert tuple(parse(corpus, path)) == expected
        assert tuple(parse(corpus, f"/deep/in/a.folder/{path}")) == expected

    round_trip()


def test_every_corpus_whose_names_say_all_is_written_here():
    assert set(CONVENTIONS) == {name for name, corpus in CORPORA.items() if corpus.emotion_of is None}


@pytest.mark.parametrize("corpus", CORPORA)
def test_any_name_is_read_or_refused(corpus):
    """Random text never breaks the parser, and what it accepts is a speaker and a class that exist."""

    @settings(max_examples=50, deadline=None)
    @given(st.one_of(st.text(min_size=1, max_size=30), st.from_regex(CORPORA[corpus].pattern, fullmatch=True)))
    def refuse_or_read(stem):
        name = stem.strip("/. \n\0").replace("\0", "") or "x"
        try:
            label = parse(corpus, f"{name}.wav")
        except AudioError as error:
            assert error.reason
        else:
            assert label.speaker.removeprefix(f"{corpus}-") in CORPORA[corpus].speakers
            assert label.emotion in LABELS

    refuse_or_read()


@pytest.mark.parametrize(
    ("corpus", "stem", "reason"),
    [
        ("ravdess", "03-02-04-01-01-01-05", "song, not speech"),
        ("ravdess", "01-01-04-01-01-01-05", "audio-visual, not audio-only"),
        ("ravdess", "02-01-04-01-01-01-05", "video-only"),
        ("ravdess", "03-01-04-01-01-01-25", "name off the convention"),
        ("ravdess", "03-01-09-01-01-01-05", "name off the convention"),
        ("ravdess", "03-01-04-01-01-01-05-1", "name off the convention"),
        ("ravdess", "._03-01-04-01-01-01-05", "name off the convention"),
        ("cremad", "1076_MTI_NEU_XX", "known faulty"),
        ("cremad", "1076_MTI_SAD_XX", "known faulty"),
        ("cremad", "1064_TIE_SAD_XX", "known faulty"),
        ("cremad", "1064_IEO_DIS_MD", "known faulty"),
        ("cremad", "1092_TIE_SAD_XX", "name off the convention"),
        ("cremad", "1001_TIE_SUR_XX", "name off the convention"),
        ("tess", "MAF_back_angry", "name off the convention"),
        ("savee", "DC_x01", "name off the convention"),
        ("savee", "a01", "name off the convention"),
        ("emodb", "03a01La", "boredom: not one of the seven classes"),
        ("emodb", "04a01Fa", "name off the convention"),
        ("emovo", "amo-f1-b1", "name off the convention"),
        ("iemocap", "Ses01F_impro01", "name off the convention"),
        ("iemocap", "Ses06F_impro01_F000", "name off the convention"),
        ("iemocap", "Ses01F_impro01_F000", "its labels, dialog/EmoEvaluation/Ses01F_impro01.txt, cannot be read"),
    ],
)
def test_what_is_left_out_says_why(corpus, stem, reason):
    with pytest.raises(AudioError) as caught:
        parse(corpus, f"{stem}.wav")
    assert caught.value.reason.startswith(reason)


def test_known_misnamed_files_are_read():
    assert parse("tess", "OA_bite_neutral.wav") == (
        "tess/OA_bite_neutral", "tess-OAF", "F", "neutral", "unspecified", "Say the word bite")  # fmt: skip
    assert parse("cremad", "1040_ITH_SAD_X.wav")[:4] == ("cremad/1040_ITH_SAD_X", "cremad-1040", "M", "sad")


def test_published_speaker_counts():
    """(women, men) as the corpora's own papers give them."""
    counts = {name: pd.Series(corpus.speakers).value_counts() for name, corpus in CORPORA.items()}
    assert {name: (int(sexes.get("F", 0)), int(sexes.get("M", 0))) for name, sexes in counts.items()} == {
        "ravdess": (12, 12), "cremad": (43, 48), "tess": (2, 0), "savee": (0, 4), "emodb": (5, 5),
        "emovo": (3, 3), "iemocap": (5, 5),
    }  # fmt: skip
