"""The README says what the published reports, the chapters and the notebooks say."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import nbformat
import pytest

from sersupport.run.chapters import NOTEBOOKS, chapters_table

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
HEADLINES = re.findall(r"<!-- headline: (\S+) -->\n(.*?)<!-- end of headline -->", README, re.S)


def test_the_headlines_are_those_of_published_reports():
    assert HEADLINES and all(re.fullmatch(r"reports/published/\w+", report) for report, _ in HEADLINES)


@pytest.mark.parametrize(("report", "block"), HEADLINES)
def test_the_readme_says_what_the_front_pages_say(report, block):
    lines = [line.removeprefix("- ").replace("**", "") for line in block.strip().splitlines()]
    page = (ROOT / report / "html" / "index.html").read_text(encoding="utf-8")
    front = " ".join(html.unescape(re.sub(r"<[^>]+>", "", page)).split()).replace("’", "'")
    assert len(lines) >= 3 and all(" ".join(line.split()) in front for line in lines)


def test_the_table_of_chapters_is_the_one_of_the_declaration():
    block = re.search(r"<!-- chapters -->\n(.*?)<!-- end of chapters -->", README, re.S)[1].strip()
    questions = {}
    for name in NOTEBOOKS:
        preface = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4).cells[0].source
        questions[name] = re.search(r"^> \*\*Question\.\*\* (.*)$", preface, re.M)[1]
    minutes = {}
    for run in re.findall(r"(\w+) \(min\)", block.splitlines()[0]):
        record = json.loads((ROOT / "reports" / "published" / run / "run.json").read_text(encoding="utf-8"))
        minutes[run] = {name: f"{entry['seconds'] / 60:.1f}" for name, entry in record["notebooks"].items()}
    assert block == chapters_table(questions, minutes)
