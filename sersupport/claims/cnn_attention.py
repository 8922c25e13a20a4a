"""What arXiv 2507.03251 claims of a CNN with channel and spatial attention, beside its authors' published code."""

import numpy as np
import pandas as pd

from sersupport.claims import facts
from sersupport.claims.checks import cells, helps, holds, undefined
from sersupport.claims.evidence import CODE, KEY_OF, RELATED, Evidence, written

SYSTEM = "CNN + attention"  # sersupport.systems has it, too, and would load torch
_PRINTED = facts.table("2507.03251-accuracy").set_index("corpus")["accuracy_pct"]
_CODE = facts.table("2507.03251-public-code").set_index("corpus")
_NOTEBOOKS = "the authors' executed notebooks (github.com/spilabkorea/ser, July 2025)"

# published code -------------------------------------------------------------------------------------------------------


def _of_recordings(evidence: Evidence) -> tuple[bool, str]:
    """Where a sample is one coefficient of a recording, over its 251 frames, a score counts coefficients."""
    own = _CODE.loc[["RAVDESS", "SAVEE"]]
    words = "; ".join(
        f"{row.Index} {row.rows:,.0f} of {row.recordings:,} recordings, {row.rows / row.recordings:.0f} each, of which"
        f" {row.test_rows:,} are tested ({100 * row.test_rows / row.rows:.0f} %) and"
        f" {row.accuracy_pct * row.test_rows / 100:,.0f} recognised ({row.accuracy_pct} %, printed {row.paper_pct})"
        for row in own.itertuples()
    )
    words = f"in {_NOTEBOOKS} a sample is one coefficient of a recording: {words}"
    return bool((own["rows"] == own["recordings"]).all()), words


def _apart(evidence: Evidence) -> tuple[bool, str]:
    """Share of tested rows with another row of their recording in training, as a random split makes it on average."""
    own = _CODE.dropna()
    heard = {
        row.Index: 1 - np.prod((row.test_rows - 1 - others) / (row.rows - 1 - others))
        for row in own.itertuples()
        for others in [np.arange(row.rows_per_recording - 1)]
    }
    said = ", ".join(f"{corpus} {100 * share:.1f}" for corpus, share in heard.items())
    words = (
        f"{_NOTEBOOKS} split rows at random, several of a recording: on average so many tested rows have another of"
        f" their recording in training (%): {said}; the tested rows are the validation data, by which nothing is chosen"
    )
    return max(heard.values()) == 0, words


def _cremad(evidence: Evidence) -> str:
    """A log of so few rows is no run of the printed experiment: that none has its figure contradicts nothing."""
    (row,) = _CODE.loc[["CREMA-D"]].itertuples()
    shares = 100 * np.arange(row.test_rows + 1) / row.test_rows
    nearest = shares[np.abs(shares - row.paper_pct).argmin()]
    return (
        f"{_NOTEBOOKS} print {row.accuracy_pct} % of {row.test_rows} rows for CREMA-D, beside the table of RAVDESS;"
        f" {row.paper_pct} % is no share of so many (nearest: {nearest:.2f} %), and no other published log has it"
    )


# measured -------------------------------------------------------------------------------------------------------------


def _corpus(evidence: Evidence, corpus: str) -> pd.DataFrame:
    rows = evidence.artefact(RELATED)
    return rows[(rows["system"] == SYSTEM) & (rows["corpus"] == KEY_OF[corpus]) & (rows["condition"] == "clean")]


CLAIMS = written(
    {
        "attention-rows": holds(_of_recordings, source=CODE),
        "attention-test": holds(_apart, source=CODE),
        "attention-cremad": undefined(_cremad, source=CODE),
        "attention-accuracy": cells(_PRINTED.to_dict(), _corpus, RELATED, rebuilt_as=SYSTEM),
        "attention-attention": helps(SYSTEM, "no attention"),
        # as printed, in noise of other kinds: that of the same kinds would be met, not withstood
        "attention-augmentation": helps(
            SYSTEM, "clean rows only", speech="noisy", whole="Gaussian noise and pitch", but="augmentation"
        ),
    }
)
