"""What stands on the front page: sentences and a table computed from a run's predictions and its ledger of claims."""

from collections.abc import Collection, Iterator, Mapping

import pandas as pd

from sersupport.claims import facts
from sersupport.claims.evidence import KEY_OF
from sersupport.claims.verdicts import CONTRADICTED, MARGIN, NOT_REPRODUCED, REPRODUCED, SETTING_DIFFERS, UNDECIDED
from sersupport.corpora.conventions import title
from sersupport.evaluation.intervals import speaker_interval
from sersupport.evaluation.paired import paired_difference
from sersupport.evaluation.tables import summarise

PRINTED, AT_RANDOM, APART = "printed, split not stated", "here, rows at random", "here, speakers apart"
BEST, LISTENERS, CHANCE = "best published, speakers apart", "human listeners", "always the most frequent"
UAR = "unweighted average recall (UAR: the share recognised of each emotion, averaged over the emotions)"


def beside_print(ladder: pd.DataFrame, synthetic: bool, samples: int = 1000) -> pd.DataFrame:
    """Accuracy on clean speech, corpus by corpus: printed, under two splits of ours, and what else is known.

    Parameters
    ----------
    ladder : pandas.DataFrame
        Predictions table of the ladder of protocols.
    synthetic : bool
        Whether the speech is the embedded corpus, beside which nothing stands that is known of recordings.
    samples : int
        Bootstrap samples.

    Returns
    -------
    pandas.DataFrame
        ``corpus`` (title), ``what``, ``accuracy_pct``, ``low``, ``high`` (95 % over speakers, NaN where there is no
        interval), ``note``.
    """
    printed = facts.table("2512.18298-table4-clean").set_index("corpus")["accuracy_pct"].rename(KEY_OF)
    clean = ladder[ladder["condition"] == "clean"]
    rows = []
    for corpus, own in clean.groupby("corpus", sort=False):
        if corpus in printed and not synthetic:
            rows.append((corpus, PRINTED, printed[corpus], "arXiv 2512.18298, Table IV"))
        for what, protocol in {AT_RANDOM: "row-random", APART: "speaker-disjoint"}.items():
            part = own[own["protocol"] == protocol]
            low, high = speaker_interval(part, samples, metric="accuracy")
            accuracy = 100 * float((part["true"] == part["predicted"]).mean())
            speakers = f"{part['speaker'].nunique()} speakers"
            rows.append((corpus, what, accuracy, speakers, 100 * low, 100 * high))
        rows += [] if synthetic else [(corpus, *known) for known in _published(title(corpus))]
        rows.append((corpus, CHANCE, 100 * float(part["true"].value_counts(normalize=True).max()), "without listening"))
    columns = ["corpus", "what", "accuracy_pct", "note", "low", "high"]
    table = pd.DataFrame([(*row, *[float("nan")] * (6 - len(row))) for row in rows], columns=columns)
    return table.assign(corpus=table["corpus"].map(title))


def _published(corpus: str) -> Iterator[tuple[str, float, str]]:
    """The best figure of others on speakers held out, not chosen on the test, and that of listeners."""
    known = facts.table("published-speaker-aware-baselines")
    known = known[known["corpus"] == corpus]
    apart = known[(known["speaker_disjoint"] == "yes") & (known["selected_on_test"] != "yes")]
    for what, rows in {BEST: apart, LISTENERS: known[known["system"].str.startswith("human")]}.items():
        if len(rows):
            best = rows.loc[rows["value_pct"].idxmax()]
            kind = "" if best["metric"] == "accuracy" else f", {best['metric']}"
            yield what, best["value_pct"], f"{best['system']}, {best['classes']} classes{kind} ({best['source']})"


def split_alone(beside: pd.DataFrame, synthetic: bool) -> str:
    """What the split alone does to the score, in a sentence that a stranger understands.

    Parameters
    ----------
    beside : pandas.DataFrame
        From :func:`beside_print`.
    synthetic : bool
        Whether the speech is the embedded corpus, which has nothing to do with what is printed.
    """
    wide = beside.pivot(index="corpus", columns="what", values="accuracy_pct").reindex(
        columns=[PRINTED, AT_RANDOM, APART]
    )
    if synthetic:
        mean = wide.mean()
        return (
            f"On synthetic speech, which says nothing about people, one and the same model recognises"
            f" **{mean[AT_RANDOM]:.0f} %** where altered copies of the test recordings were in its training (rows split"
            f" at random) and **{mean[APART]:.0f} %** where it had never heard the speaker (mean over corpora)."
        )
    each = [
        f"{corpus}: " + (f"printed {row[PRINTED]:.1f} %, " if pd.notna(row[PRINTED]) else "")
        + f"here **{row[AT_RANDOM]:.1f} %** and **{row[APART]:.1f} %**"
        for corpus, row in wide.iterrows()
    ]  # fmt: skip
    gaps = (wide[AT_RANDOM] - wide[PRINTED]).dropna().abs()
    near = gaps.index[gaps <= 100 * MARGIN]
    verdict = (
        f"On {' and '.join(near)} the first is what is printed to within {gaps[near].max():.1f} points: consistent with"
        " a split of rows, and no proof of one, since the paper does not say how it split and the encoder here is"
        " another."
        if len(near)
        else f"Neither is what is printed to within {100 * MARGIN:.0f} points."
    )
    return (
        "How much of the emotion in acted speech does one and the same model recognise, first with altered copies of"
        " the test recordings in its training (rows split at random), then on speakers it has never heard?"
        f" {'; '.join(each)}. {verdict}"
    )


def not_explained(ladder: pd.DataFrame) -> list[str]:
    """Where the split does not suffice: in noise, and what the test consists of."""
    noisy = ladder[(ladder["condition"] != "clean") & (ladder["protocol"] == "row-random")]
    printed = facts.table("2512.18298-table6-ablation").set_index("row").loc["D", "noisy_accuracy_pct"]
    accuracy = 100 * float((noisy["true"] == noisy["predicted"]).mean())
    shares = noisy["corpus"].value_counts(normalize=True)
    more = " What separates the two, the split alone does not explain here."
    said = [
        f"In noise the same leak gives {accuracy:.1f} % over the corpora of this run; the paper prints {printed:.2f} %"
        f" for its four together.{more if abs(accuracy - printed) > 100 * MARGIN else ''}"
    ]
    if len(shares) > 1:
        said.append(f"Of the test recordings here {100 * shares.iloc[0]:.0f} % are of {title(shares.index[0])}.")
    return said


def against_probe(clean: pd.DataFrame, row: str, probe: str, heard: Collection[str], samples: int = 1000) -> str:
    """A row beside a linear probe on the same encoder, speakers apart.

    Parameters
    ----------
    clean : pandas.DataFrame
        Predictions of both on clean speech.
    row, probe : str
        Systems.
    heard : collection of str
        Speakers whom the encoder heard, without labels.
    samples : int
        Bootstrap samples.
    """
    scores = summarise(clean[clean["system"].isin([row, probe])], ["system"], samples).set_index("system")
    gap = paired_difference(clean, row, probe, samples=samples)
    known, tested = len(set(clean["speaker"]) & set(heard)), clean["speaker"].nunique()
    note = f" The encoder has heard {known} of the {tested} speakers, without labels." if known else ""
    spread = f"95 %: {gap['low']:+.2f} to {gap['high']:+.2f}, over speakers"
    if pd.isna(gap["low"]):
        spread = "one speaker gives no interval"
    return (
        f"Speakers apart, {UAR}: whole system **{scores.loc[row, 'recall']:.2f}**, a linear classifier on the same"
        f" encoder, without any network, **{scores.loc[probe, 'recall']:.2f}**; difference {gap['difference']:+.2f}"
        f" ({spread}).{note}"
    )


def verdicts(number: Mapping[str, int]) -> str:
    """Counts of the ledger in a sentence; ``number`` of claims by verdict."""
    judged = sum(number[name] for name in (REPRODUCED, NOT_REPRODUCED, UNDECIDED, CONTRADICTED))
    differs = f"; in another setting, and not judged: {number[SETTING_DIFFERS]}" if number[SETTING_DIFFERS] else ""
    return (
        f"Of **{sum(number.values())} claims** in four papers {judged} can be judged here: reproduced"
        f" {number[REPRODUCED]}, not reproduced {number[NOT_REPRODUCED]}, undecided {number[UNDECIDED]},"
        f" **contradicted by the papers' own numbers {number[CONTRADICTED]}**{differs}."
    )
