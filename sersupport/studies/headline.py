"""What stands on the front page: sentences and a table computed from a run's predictions and its ledger of claims."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence

import pandas as pd

from sersupport.claims import facts
from sersupport.claims.evidence import KEY_OF, share_of_filters
from sersupport.claims.ledger import tried
from sersupport.claims.verdicts import (
    CODE_CONTRADICTS,
    CONSISTENT,
    CONTRADICTED,
    MARGIN,
    NOT_REPRODUCED,
    NOT_TESTABLE,
    REPRODUCED,
    SETTING_DIFFERS,
    UNDECIDED,
    VERDICTS,
)
from sersupport.corpora.conventions import title
from sersupport.evaluation.intervals import speaker_interval
from sersupport.evaluation.paired import paired_difference
from sersupport.evaluation.tables import summarise
from sersupport.studies import coefficients
from sersupport.studies.ablation import BASELINE

PRINTED, AT_RANDOM, APART = "printed, split not stated", "here, rows at random", "here, speakers apart"
WHOLE = "here, recordings whole"  # no copy of a tested recording is in training, its speaker is
BEST, LISTENERS, CHANCE = "best published, speakers apart", "human listeners", "always the most frequent"
UAR = "unweighted average recall (UAR: the share recognised of each emotion, averaged over the emotions)"


def beside_print(ladder: pd.DataFrame, synthetic: bool, samples: int = 1000) -> pd.DataFrame:
    """Accuracy on clean speech, corpus by corpus: printed, under three splits of ours, and what else is known.

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
        for what, protocol in {AT_RANDOM: "row-random", WHOLE: "utterance-grouped", APART: "speaker-disjoint"}.items():
            part = own[own["protocol"] == protocol]
            low, high = speaker_interval(part, samples, metric="accuracy")
            accuracy = 100 * float((part["true"] == part["predicted"]).mean())
            speakers = f"{part['speaker'].nunique()} speakers, {part['true'].nunique()} classes"
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
    spans = beside.set_index(["corpus", "what"])[["low", "high"]]
    if synthetic:
        mean = wide.mean()
        return (
            f"On synthetic speech, which says nothing about people, one and the same system recognises"
            f" **{mean[AT_RANDOM]:.0f} %** where altered copies of the test recordings were in its training (rows split"
            f" at random) and **{mean[APART]:.0f} %** where it had never heard the speaker (mean over corpora)."
        )
    each = [
        f"{corpus}: " + (f"printed {row[PRINTED]:.1f} %, " if pd.notna(row[PRINTED]) else "")
        + f"here {' and '.join(_measured(row[what], spans.loc[corpus, what]) for what in (AT_RANDOM, APART))}"
        for corpus, row in wide.iterrows()
    ]  # fmt: skip
    gaps = (wide[AT_RANDOM] - wide[PRINTED]).dropna()
    off = " and ".join(
        f"{abs(gap):.1f} points {'above' if gap > 0 else 'below'} it on {corpus}" for corpus, gap in gaps.items()
    )
    verdict = (
        f"Beside what is printed, copies of the tested recordings carry the score to {off}. Whether they carried the"
        " printed one, the paper does not say: it names no split, and for this table no noise in training."
        if len(gaps)
        else "What is printed is of other corpora."
    )
    return (
        "How much of the emotion in acted speech does one system, trained anew under each split, recognise, first with"
        " altered copies of the test recordings in its training (rows split at random), then on speakers it has never"
        " heard?"
        f" {'; '.join(each)} (accuracy, 95 % over speakers; one seed, settings untuned). {verdict}"
    )


def _measured(accuracy: float, span: pd.Series) -> str:
    interval = "" if span.isna().any() else f" ({span['low']:.1f} to {span['high']:.1f})"
    return f"**{accuracy:.1f} %**{interval}"


def not_explained(ladder: pd.DataFrame) -> list[str]:
    """Where the split does not suffice: without copies in training, in noise, and what the test consists of."""
    whole = ladder[(ladder["condition"] == "clean") & (ladder["protocol"] == "utterance-grouped")]
    noisy = ladder[(ladder["condition"] != "clean") & (ladder["protocol"] == "row-random")]
    printed = facts.table("2512.18298-table6-ablation").set_index("row").loc["D", "noisy_accuracy_pct"]
    without, accuracy = (100 * float((rows["true"] == rows["predicted"]).mean()) for rows in (whole, noisy))
    shares = noisy["corpus"].value_counts(normalize=True)
    more = " What separates the two, the split alone does not explain here."
    said = [
        "The copies are noisy and pitched. With no copy of a tested recording in training, but others of its speaker,"
        f" accuracy on clean speech is **{without:.1f} %** over the corpora of this run.",
        f"Rows at random in noise, of the sources that training has, give {accuracy:.1f} % over the corpora of this"
        f" run; the paper prints {printed:.2f} % for a noisy set whose corpora, noises and levels it does not define."
        f"{more if abs(accuracy - printed) > 100 * MARGIN else ''}",
    ]
    if len(shares) > 1:
        said.append(f"Of the test recordings here {100 * shares.iloc[0]:.0f} % are of {title(shares.index[0])}.")
    return said


def against_probe(
    clean: pd.DataFrame, row: str, probe: str, heard: Collection[str], widths: Sequence[float], samples: int = 1000
) -> str:
    """A row beside a linear probe on the same encoder, speakers apart.

    Parameters
    ----------
    clean : pandas.DataFrame
        Predictions of both on clean speech.
    row, probe : str
        Systems.
    heard : collection of str
        Speakers whom the encoder heard, without labels.
    widths : sequence of float
        Filters of the row's network by fold, as shares of the published number.
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
    filters = [
        f"{share_of_filters(width)}{f' ({count} fold' + 's' * (count > 1) + ')' if len(set(widths)) > 1 else ''}"
        for width, count in sorted(Counter(widths).items())
    ]
    return (
        f"Speakers apart, all seeds, tuned, {UAR}: whole system **{scores.loc[row, 'recall']:.2f}**, its network with"
        f" {' or '.join(filters)} of the published filters; a linear classifier on the"
        f" same encoder, without any network, **{scores.loc[probe, 'recall']:.2f}**; difference"
        f" {gap['difference']:+.2f} ({spread}).{note}"
    )


def one_coefficient(rows: pd.DataFrame) -> str:
    """What the network of a paper's public code scores on samples that are one coefficient of one recording.

    Parameters
    ----------
    rows : pandas.DataFrame
        Shares of rows by ``rung``, ``feature`` and ``classifier``; see :func:`sersupport.studies.coefficients.rungs`.
    """
    share = 100 * rows.set_index(["classifier", "feature", "rung"])["accuracy"]

    def each(name: str) -> str:
        own = {kind: [f"{share[name, kind, rung]:.0f}" for rung in coefficients.RUNGS] for kind in features}
        return "; ".join(f"{kind} **{', '.join(words[:-1])} and {words[-1]} %**" for kind, words in own.items())

    features = rows["feature"].unique()
    return (
        "Where a sample is one coefficient of one recording, as in the public code of arXiv 2507.03251, which does not"
        " name the kind, its network, smaller here and briefly trained, recognises so many samples that were split at"
        f" random, split by recordings, and of unknown speakers: {each(coefficients.NETWORK)}. Whoever takes the class"
        " of the sample with the nearest smallest value, and looks at nothing else, has:"
        f" {each(coefficients.NEAREST_MINIMUM)}."
    )


def verdicts(claims: pd.DataFrame) -> str:
    """Counts of the ledger in a sentence; of claims with ``paper``, ``basis`` and ``verdict``."""
    number = claims["verdict"].value_counts().reindex(list(VERDICTS), fill_value=0)
    tested = tried(claims)
    papers, of = claims["paper"].nunique(), tested["paper"].nunique()
    only = f", all of them of {of}" if 0 < of < papers else ""
    some = tested["verdict"].value_counts().reindex(list(VERDICTS), fill_value=0)
    return (
        f"Of **{len(claims)} claims** in {papers} papers, {len(tested)} were put to the test here{only}: reproduced"
        f" **{some[REPRODUCED]}**, not reproduced **{some[NOT_REPRODUCED]}**, undecided {some[UNDECIDED]}."
        f" Of those that print alone can settle it bears out {number[CONSISTENT]} and **contradicts"
        f" {number[CONTRADICTED]}**; on {number[UNDECIDED] - some[UNDECIDED]} its readings differ. The authors'"
        f" published code contradicts **{number[CODE_CONTRADICTS]}** more. Without a verdict:"
        f" {number[SETTING_DIFFERS]} printed of another setting, {number[NOT_TESTABLE]} that cannot be tested here."
    )


def same_row(tuned: pd.DataFrame, ladder: pd.DataFrame, ablation: pd.DataFrame, row: str, samples: int) -> pd.DataFrame:
    """One row on clean speech, speakers apart, as several notebooks have it, and in what they differ.

    Parameters
    ----------
    tuned, ladder, ablation : pandas.DataFrame
        Predictions of notebook 5 with chosen settings, of its ladder, and of notebook 7, whose baseline is the row.
    row : str
    samples : int
        Bootstrap samples.

    Returns
    -------
    pandas.DataFrame
        ``where``, ``settings``, ``seeds``, and what :func:`sersupport.evaluation.tables.summarise` gives.
    """
    places = [
        ("5, rows", "tuned on validation speakers", tuned[tuned["system"] == row]),
        ("5, ladder", "the run's own, steps of the ladder", ladder[ladder["protocol"] == "speaker-disjoint"]),
        ("7, baseline of the ablation", "the run's own", ablation[ablation["system"] == BASELINE]),
    ]
    parts = []
    for where, settings, rows in places:
        clean = rows[rows["condition"] == "clean"]
        named = clean.assign(where=where, settings=settings, seeds=clean["seed"].nunique())
        parts.append(summarise(named, ["where", "settings", "seeds"], samples))
    return pd.concat(parts, ignore_index=True)
