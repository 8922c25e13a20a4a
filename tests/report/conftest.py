"""A small run with a built site, shared by the tests that look at sites."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from sersupport.report.site import build_site
from sersupport.run.figures import table_html
from sersupport.run.parameters import Parameters

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PICTURE = f'<img alt="A dot." src="data:image/png;base64,{PIXEL}">'
FIGURE = f'<figure class="ser-figure" id="figure-1-1">{PICTURE}<figcaption>A dot</figcaption></figure>'
WIDE = (
    '<div class="ser-table"><table><tbody><tr>'
    + "<td>a long cell of a wide table</td>" * 30
    + "</tr></tbody></table></div>"
)
SENTENCES = table_html(
    pd.DataFrame({f"column {number}": ["a sentence " * 12, "another"] for number in range(8)}),
    "1.1",
    "Said.",
    {},
    set(),
)


def shown(*markup: str) -> list:
    return [new_output("display_data", data={"text/html": text, "text/plain": "<IPython HTML>"}) for text in markup]


@pytest.fixture(scope="session")
def small_run(tmp_path_factory) -> Path:
    """Folder of a run of two chapters with a formula, a citation, a figure, a wide table, code, stderr and answers."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "notebooks").mkdir()
    (folder / "artefacts" / "07_ablation").mkdir(parents=True)
    for name in ("01_data", "02_noise"):
        cells = [
            new_markdown_cell(
                f"# {int(name[:2])} · Chapter <{name[3:]}>\n\n> **Question.** Is 1 < 2?\n\nSee {{cite:t}}`someone2020`."
            ),
            new_markdown_cell(
                "$$S(f) \\propto \\frac{1}{f^\\beta} \\tag{4}$$\n\n<details><summary>Answer</summary>yes</details>"
            ),
            new_code_cell("secret_code = 'xylophone'", execution_count=1, outputs=shown(FIGURE, WIDE, SENTENCES)),
            new_code_cell("1", execution_count=2, outputs=[new_output("stream", name="stderr", text="noise of a bar")]),
        ]
        language = {"name": "python", "pygments_lexer": "ipython3"}
        nbformat.write(
            new_notebook(cells=cells, metadata={"language_info": language}), folder / "notebooks" / f"{name}.ipynb"
        )
    entry = {"key": "k", "seconds": 1.5, "peak_gib": 0.5, "artefacts": []}
    parameters = Parameters().model_dump() | {"encoder": "a <b> encoder"}
    record = {
        "parameters": parameters,
        "provenance": {"python": "3.11"},
        "notebooks": {"01_data": entry, "02_noise": entry},
    }
    (folder / "run.json").write_text(json.dumps(record))
    (folder / "artefacts" / "07_ablation" / "figure-rows.html").write_text(FIGURE)
    headline = {"sentences": ["UAR **0.51** on speakers never heard."], "figures": ["07_ablation/figure-rows"]}
    (folder / "artefacts" / "07_ablation" / "headline.json").write_text(json.dumps(headline))
    (folder / "references.bib").write_text(
        "@article{someone2020, author={One, Some}, title={T}, journal={J}, year={2020}}"
    )
    build_site(folder, folder / "references.bib", strict=True)
    return folder
