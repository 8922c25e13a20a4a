"""sersupport.corpora.tables: the paper's tables from the published designs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sersupport.claims import facts
from sersupport.corpora.convention import CLASSES, EMOTIONS
from sersupport.corpora.conventions import CORPORA, parse
from sersupport.corpora.tables import table2, table3


def composite() -> pd.DataFrame:
    """The paper's four corpora by their published design; CREMA-D, whose design is uneven, by its counts."""
    names = [
        ("ravdess", f"03-01-{emotion:02d}-{intensity:02d}-{text:02d}-{take:02d}-{actor:02d}.wav")
        for emotion in range(1, 9)
        for intensity in ((1,) if emotion == 1 else (1, 2))  # there is no strong neutral
        for text in (1, 2)
        for take in (1, 2)
        for actor in range(1, 25)
    ]
    names += [
        ("tess", f"{speaker}_word{chr(97 + word // 20)}{chr(97 + word % 20)}_{emotion.replace('surprise', 'ps')}.wav")
        for speaker in ("OAF", "YAF")
        for word in range(200)
        for emotion in EMOTIONS
    ]
    names += [
        ("savee", f"{speaker}_{dict(sad='sa', surprise='su').get(emotion, emotion[0])}{number:02d}.wav")
        for speaker in ("DC", "JE", "JK", "KL")
        for emotion in EMOTIONS
        for number in range(1, 31 if emotion == "neutral" else 16)
    ]
    rows = pd.DataFrame([{"corpus": corpus} | parse(corpus, path)._asdict() for corpus, path in names])
    rows["emotion"] = rows["emotion"].replace(CLASSES)
    printed = facts.table("2512.18298-table3-classes").set_index("emotion")["CREMA-D"]
    emotions = np.repeat(printed.index, printed)
    speakers = np.resize(list(CORPORA["cremad"].speakers), len(emotions))
    cremad = pd.DataFrame({
        "corpus": "cremad",
        "id": [f"cremad/{number}" for number in range(len(emotions))],
        "speaker": np.char.add("cremad-", speakers),
        "sex": [CORPORA["cremad"].speakers[code] for code in speakers],
        "emotion": emotions,
    })  # fmt: skip
    return pd.concat([rows, cremad], ignore_index=True)


def test_tables_have_the_papers_layout_and_figures():
    utterances = composite()
    assert utterances["id"].is_unique
    for ours, name in ((table2(utterances), "table2-corpora"), (table3(utterances), "table3-classes")):
        pd.testing.assert_frame_equal(ours, facts.table(f"2512.18298-{name}"), check_names=False, check_dtype=False)


def test_unknown_sexes_and_missing_classes_leave_gaps_and_no_error():
    rows = [("tess/1", "tess", "tess-OAF", "", "sad"), ("savee/1", "savee", "savee-DC", "M", "sad"),
            ("savee/2", "savee", "savee-JE", "", "happy")]  # fmt: skip
    utterances = pd.DataFrame(rows, columns=["id", "corpus", "speaker", "sex", "emotion"])
    assert table2(utterances)["gender"].tolist() == ["", "M"]
    counts = table3(utterances).set_index("emotion")
    assert list(counts.index) == list(EMOTIONS) and counts["total"].to_dict() == dict.fromkeys(EMOTIONS, 0) | {
        "sad": 2, "happy": 1}  # fmt: skip
