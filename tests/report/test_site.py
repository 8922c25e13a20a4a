"""The site: complete, folded, escaped, and without anything from outside."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from sersupport.core.errors import UserError
from sersupport.report.front_page import SYNTHETIC
from sersupport.report.site import build_site

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "reports" / "published"
COMMITTED = sorted(path.parents[1] for path in PUBLISHED.glob("*/html/index.html"))
LARGEST_BYTES = 20e6


class Sources(HTMLParser):
    """What a page loads, and pictures without alternative text."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded, self.mute = [], 0

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag in ("script", "img", "audio", "iframe", "source", "video", "embed"):
            self.loaded.append(given.get("src") or "")
        if tag == "link" and given.get("rel") not in ("index", "search", "next", "prev", "canonical"):
            self.loaded.append(given.get("href") or "")
        self.mute += tag == "img" and not given.get("alt")


@pytest.fixture(scope="module", params=["small", *(path.name for path in COMMITTED)])
def site(request, small_run):
    return (small_run if request.param == "small" else PUBLISHED / request.param) / "html"


def pages(site: Path) -> list[Path]:
    return sorted(site.glob("*.html"))


def test_nothing_is_loaded_from_outside(site):
    for page in pages(site):
        parser = Sources()
        parser.feed(page.read_text(encoding="utf-8"))
        assert not [source for source in parser.loaded if re.match(r"(https?:)?//", source)], page.name
    for sheet in site.rglob("*.css"):
        assert not re.findall(r"url\(['\"]?(?:https?:)?//", sheet.read_text(encoding="utf-8")), sheet.name


def test_every_picture_has_an_alternative(site):
    for page in pages(site):
        parser = Sources()
        parser.feed(page.read_text(encoding="utf-8"))
        assert parser.mute == 0, page.name


def test_it_names_no_path_of_a_machine_and_is_small(site):
    assert sum(path.stat().st_size for path in site.rglob("*") if path.is_file()) < LARGEST_BYTES
    for page in [*pages(site), *site.glob("*.js")]:
        text = page.read_text(encoding="utf-8")
        assert str(ROOT) not in text and str(Path.home()) + "/" not in text, page.name


def test_the_front_page_states_encoder_results_and_costs(small_run):
    text = (small_run / "html" / "index.html").read_text(encoding="utf-8")
    assert "a &lt;b&gt; encoder (frozen)" in text and "<b> encoder" not in text
    assert "<strong>0.51</strong>" in text and 'id="figure-1-1"' in text
    assert "Peak memory" in text and "corpus_scale" in text and 'lang="en"' in text


def test_synthetic_speech_is_said_on_every_page_and_only_there(small_run, tmp_path):
    for page in pages(small_run / "html"):
        assert SYNTHETIC in page.read_text(encoding="utf-8"), page.name
    real = of_recordings(small_run, tmp_path / "real")
    build_site(real, real / "references.bib", strict=True)
    assert not [page.name for page in pages(real / "html") if SYNTHETIC in page.read_text(encoding="utf-8")]


def test_a_corpus_that_was_not_found_is_not_named_as_heard(small_run, tmp_path):
    real = of_recordings(small_run, tmp_path / "real")
    presence = pd.DataFrame({"title": ["RAVDESS", "CREMA-D", "TESS"], "present": [True, False, True]})
    path = real / "artefacts" / "01_data" / "presence.parquet"
    path.parent.mkdir(exist_ok=True)
    presence.to_parquet(path)
    front = text_of(build_site(real, real / "references.bib", strict=True).read_text(encoding="utf-8"))
    assert "recorded: RAVDESS, TESS (asked for and not found: CREMA-D)" in front


def of_recordings(run: Path, copy: Path) -> Path:
    """A copy of a run as if its speech were recorded."""
    shutil.copytree(run, copy)
    record = json.loads((copy / "run.json").read_text())
    record["parameters"]["data_dir"] = "corpora"
    (copy / "run.json").write_text(json.dumps(record))
    return copy


def test_chapters_are_numbered_folded_and_cited(small_run):
    text = (small_run / "html" / "01_data.html").read_text(encoding="utf-8")
    assert "1. Chapter &lt;data&gt;" in text
    assert 'title="Some One. T. J, 2020."' in text
    assert re.search(r"<details[^>]*hide[^>]*>.*?xylophone.*?</details>", text, re.S)
    assert "noise of a bar" not in text
    assert (small_run / "html" / "references.html").is_file()


def test_an_incomplete_run_is_refused(small_run, tmp_path):
    with pytest.raises(UserError, match="run the report first"):
        build_site(tmp_path)
    broken = tmp_path / "broken"
    shutil.copytree(small_run, broken)
    (broken / "artefacts" / "07_ablation" / "figure-rows.html").unlink()
    with pytest.raises(UserError, match="figure"):
        build_site(broken)
    assert (broken / "html" / "index.html").is_file()  # the old site stands


def test_a_run_without_a_readable_record_is_refused(tmp_path):
    (tmp_path / "run.json").write_text('{"parameters": {')
    with pytest.raises(UserError, match=r"run\.json is no record of a run"):
        build_site(tmp_path)


def test_what_builds_and_publishes_a_site_needs_no_model(tmp_path):
    """Reading a ledger once took the import of torch and transformers."""
    code = (
        "import sys, sersupport.cli, sersupport.report.site, sersupport.report.publish, sersupport.report.series;"
        "import sersupport.report.claims_table, sersupport.run.artefacts;"
        "sys.exit(' '.join({'torch', 'transformers', 'sklearn', 'matplotlib'} & set(sys.modules)) or 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.skipif(not COMMITTED, reason="no published report here")
@pytest.mark.parametrize("report", COMMITTED, ids=lambda path: path.name)
def test_published_reports_match_their_record(report):
    record = json.loads((report / "run.json").read_text(encoding="utf-8"))
    assert record["published"] == report.name and record["site"]
    assert {f"{name}.html" for name in record["notebooks"]} <= {page.name for page in pages(report / "html")}
    front = (report / "html" / "index.html").read_text(encoding="utf-8")
    assert record["parameters"]["encoder"].rpartition("/")[2].removesuffix("-encoder") in front
    players = sum(page.read_text(encoding="utf-8").count("<audio") for page in pages(report / "html"))
    assert (players > 0) == (record["parameters"]["data_dir"] == "embedded")


def text_of(markup: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", markup)).split())
