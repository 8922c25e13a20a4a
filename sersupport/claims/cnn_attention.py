"""What arXiv 2507.03251 claims of a CNN with channel and spatial attention."""

import pandas as pd

from sersupport.claims import facts
from sersupport.claims.checks import cells, without
from sersupport.claims.evidence import KEY_OF, RELATED, Evidence, written

_SYSTEM = "cnn_attention"
_PRINTED = facts.table("2507.03251-accuracy").set_index("corpus")["accuracy_pct"]


def _corpus(evidence: Evidence, corpus: str) -> pd.DataFrame:
    rows = evidence.artefact(RELATED)
    return rows[(rows["system"] == _SYSTEM) & (rows["corpus"] == KEY_OF[corpus])]


CLAIMS = written(
    {
        "attention-accuracy": cells(_PRINTED.to_dict(), _corpus, RELATED),
        "attention-attention": without(_SYSTEM, "no attention"),
        "attention-augmentation": without(_SYSTEM, "no augmentation"),
    }
)
