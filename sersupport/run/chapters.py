"""The series, declared once, in an order in which it can run: what each notebook reads and writes.

From here come the order of the notebooks, the keys by which the schedule tells what is up to date, what
:class:`sersupport.run.notebook.Run` lets a notebook load and save, and the table in the README.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

CORPORA, NOISE, ENCODERS = "corpora", "noise", "encoders"


@dataclass(frozen=True)
class Chapter:
    """What a notebook depends on and leaves behind.

    Attributes
    ----------
    reads : tuple of str
        Artefacts of other notebooks, ``notebook/name``.
    writes : tuple of str
        Names of its own artefacts; each is there once it has run.
    sources : tuple of str
        What it reads from outside the run: :data:`CORPORA` (recordings), :data:`NOISE` (recorded noises),
        :data:`ENCODERS` (those that its parameters name).
    """

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


def _of(notebook: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{notebook}/{name}" for name in names)


_ALL = (CORPORA, NOISE, ENCODERS)
_UTTERANCES = _of("01_data", "utterances")
_FOLDS = _of("01_data", "split") + _of("02_noise", "recipes_train", "recipes_test")

CHAPTERS: Mapping[str, Chapter] = MappingProxyType({
    "01_data": Chapter(writes=("utterances", "skipped", "presence", "split", "protocols"), sources=(CORPORA,)),
    "02_noise": Chapter(
        reads=_of("01_data", "utterances", "split"), sources=(CORPORA, NOISE),
        writes=("recipes_train", "recipes_test", "recipes_snr", "recipes_heard", "recipes_unheard", "levels"),
    ),
    "03_features": Chapter(
        reads=_UTTERANCES + _of("02_noise", "recipes_train"), sources=(CORPORA, NOISE), writes=("layout", "shape"),
    ),
    "04_model": Chapter(
        reads=_UTTERANCES + _of("03_features", "shape"), writes=("encoder", "parameters"), sources=(ENCODERS,),
    ),
    "05_training": Chapter(
        reads=_of("01_data", "utterances", "protocols") + _FOLDS, sources=_ALL,
        writes=("history", "settings", "predictions", "table4", "ladder", "ladder_probe", "jobs"),
    ),
    "06_robustness": Chapter(
        reads=_of("01_data", "utterances", "split")
        + _of("02_noise", "recipes_test", "recipes_snr", "recipes_heard", "recipes_unheard")
        + _of("05_training", "jobs", "predictions"),
        writes=("predictions", "table5", "areas"), sources=_ALL,
    ),
    "07_ablation": Chapter(
        reads=_UTTERANCES + _FOLDS + _of("04_model", "parameters") + _of("05_training", "jobs")
        + _of("06_robustness", "predictions"),
        writes=("table6", "speed", "ablation"), sources=_ALL,
    ),
    "08_xai": Chapter(
        reads=_UTTERANCES + _FOLDS + _of("03_features", "layout")
        + _of("05_training", "jobs", "predictions"),
        writes=("explanations", "occlusions", "shap", "features", "energy", "additivity"), sources=_ALL,
    ),
    "09_related_systems": Chapter(
        reads=_UTTERANCES + _FOLDS + _of("02_noise", "recipes_snr") + _of("05_training", "history", "jobs")
        + _of("06_robustness", "predictions"),
        sources=_ALL,
        writes=(
            "settings", "predictions", "grid", "ablation", "costs", "coefficients", "curve", "enhanced", "estimates",
        ),
    ),
    # the ledger looks at rows that are trained along with their encoder
    "11_encoders": Chapter(
        reads=_UTTERANCES + _FOLDS, writes=("students", "probes", "encoders", "finetuned"), sources=_ALL,
    ),
    "10_claims": Chapter(
        reads=_UTTERANCES + _of("04_model", "encoder")
        + _of("05_training", "settings", "predictions", "ladder", "ladder_probe")
        + _of("06_robustness", "predictions") + _of("07_ablation", "ablation", "speed")
        + _of("08_xai", "explanations", "energy", "shap")
        + _of("09_related_systems", "predictions", "grid", "ablation", "coefficients", "curve", "estimates")
        + _of("11_encoders", "finetuned"),
        writes=("ledger", "headline"),
    ),
    "12_voices": Chapter(
        reads=_UTTERANCES + _of("01_data", "protocols") + _FOLDS
        + _of("05_training", "jobs", "predictions", "ladder", "ladder_probe"),
        writes=("rungs", "enrolment", "transfer"), sources=_ALL,
    ),
})  # fmt: skip
NOTEBOOKS = tuple(CHAPTERS)


def chapters_table(
    questions: Mapping[str, str], minutes: Mapping[str, Mapping[str, str]], chapters: Mapping[str, Chapter] = CHAPTERS
) -> str:
    """The README's table of chapters, in Markdown.

    Parameters
    ----------
    questions : mapping
        Notebook to its question.
    minutes : mapping
        Run to notebook to its minutes, as text: a column a run.
    chapters : mapping
        The series.

    Examples
    --------
    >>> one = {"02_noise": Chapter(("01_data/split",), ("levels",), ("noise",))}
    >>> print(chapters_table({"02_noise": "How loud?"}, {"demo": {"02_noise": "0.5"}}, one))
    | notebook | question | reads | writes | demo (min) |
    |---|---|---|---|---|
    | 02_noise | How loud? | noise, 01 | levels | 0.5 |
    """
    rows = [["notebook", "question", "reads", "writes", *(f"{run} (min)" for run in minutes)]]
    rows.append(["---"] * len(rows[0]))
    for name, chapter in sorted(chapters.items()):
        reads = dict.fromkeys((*chapter.sources, *sorted(artefact[:2] for artefact in chapter.reads)))
        times = (of.get(name, "–") for of in minutes.values())
        rows.append([name, questions[name], ", ".join(reads), ", ".join(chapter.writes), *times])
    return "\n".join("|" + "|".join("---" if cell == "---" else f" {cell} " for cell in row) + "|" for row in rows)
