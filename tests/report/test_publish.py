"""Publishing a run, and reading and recomputing its ledger from what is published."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet

from sersupport.claims.evidence import ABLATION, Evidence
from sersupport.claims.ledger import ledger
from sersupport.core.errors import UserError
from sersupport.core.keys import file_digest
from sersupport.report import claims_table
from sersupport.report.front_page import OTHERS
from sersupport.report.publish import found, publish
from sersupport.report.record import folder_digest, read_record, write_record
from sersupport.run.artefacts import Artefacts
from sersupport.run.parameters import Parameters

_CELLS = [
    (system, f"s{n}", kind) for system in ("baseline", "clean rows only") for n in range(8) for kind in ("sad", "fear")
]
PREDICTIONS = pd.DataFrame(_CELLS, columns=["system", "speaker", "true"]).assign(
    predicted=lambda rows: rows["true"].where((rows["system"] == "baseline") | (rows.index % 3 > 0), "happy"),
    utterance=lambda rows: rows["speaker"] + rows["true"], condition="white", source="", path="/srv/speech/a.wav",
    p_sad=np.linspace(0, 1, len(_CELLS), dtype=np.float32), level=np.linspace(0, 1, len(_CELLS)),
)  # fmt: skip


def made(folder: Path, **parameters) -> Path:
    """A run as the series leaves it, with a ledger and one table that the ledger rests on."""
    values = {"profile": "small", "data_dir": "/srv/speech", "bootstrap_samples": 100} | parameters
    for part in ("notebooks", "html"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "html" / "index.html").write_text("the front page")
    artefacts = Artefacts(folder / "artefacts", {"data_dir": values["data_dir"], "seed": 0})
    artefacts.save(ABLATION, PREDICTIONS)
    artefacts.save("07_ablation/scratch", {"not": "published"})
    evidence = Evidence(artefacts.load, "small", False, 100)
    artefacts.save("10_claims/ledger", ledger(evidence))
    artefacts.save("10_claims/headline", {"sentences": []})
    entries = {}
    for name in ("07_ablation", "10_claims"):
        executed = folder / "notebooks" / f"{name}.ipynb"
        executed.write_text(name)
        result = {"artefacts": folder_digest(folder / "artefacts" / name), "executed": file_digest(executed)}
        entries[name] = {"key": "k", "seconds": 1.0, "peak_gib": 0.1, "prose": "p", **result}
    record = {
        "parameters": Parameters(**values).model_dump() | {"data_dir": "speech"},
        "provenance": {"python": "3.11"},
        "notebooks": entries,
        "site": {"state": "s", "pages": folder_digest(folder / "html")},
    }
    write_record(folder, record)
    return folder


@pytest.fixture
def run(tmp_path):
    return made(tmp_path / "reports" / "small")


def test_a_published_report_holds_its_pages_and_what_its_ledger_rests_on(run, tmp_path):
    target = publish(str(run), root=tmp_path)
    assert target == tmp_path / "reports/published/small"
    kept = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()}
    tables = {f"artefacts/{ABLATION}", "artefacts/10_claims/ledger"}
    both = {f"{name}{suffix}" for name in tables for suffix in (".parquet", ".made.json")}
    headline = {f"artefacts/10_claims/headline{suffix}" for suffix in (".json", ".made.json")}
    assert kept == {"html/index.html", "run.json", *both, *headline}
    packed = parquet.ParquetFile(target / f"artefacts/{ABLATION}.parquet")
    assert packed.metadata.row_group(0).column(1).compression == "ZSTD"
    assert not [path for path in target.rglob("*.json") if "/srv" in path.read_text()]
    published = Artefacts(target / "artefacts").load(ABLATION)
    likely = PREDICTIONS["p_sad"].round(3)
    pd.testing.assert_frame_equal(published, PREDICTIONS.assign(path="a.wav", p_sad=likely), atol=1e-6)
    assert (published["level"] == PREDICTIONS["level"]).all()  # a number that is no probability stays as it was
    assert read_record(target)["published"] == "small"


def test_published_reports_name_each_other(tmp_path):
    for name in ("small", "other"):
        folder = made(tmp_path / "reports" / name, profile=name)
        (folder / "html/index.html").write_text("<p>the front page</p>" + "".join(OTHERS))
        record = read_record(folder)
        write_record(folder, record | {"site": record["site"] | {"pages": folder_digest(folder / "html")}})
        publish(name, root=tmp_path)
    pages = {name: tmp_path / f"reports/published/{name}/html/index.html" for name in ("small", "other")}
    for name, other in (("small", "other"), ("other", "small")):
        (link,) = re.findall(r'href="([^"]+)"', pages[name].read_text())
        assert (pages[name].parent / link).resolve() == pages[other].resolve()
    publish("small", root=tmp_path)
    assert pages["small"].read_text().count("Other reports") == 1


def test_a_report_is_replaced_by_a_whole_one_and_by_nothing_else(run, tmp_path):
    target = publish("small", root=tmp_path)
    (target / "html" / "old.html").write_text("of the former report")
    assert publish("small", root=tmp_path) == target and not (target / "html" / "old.html").exists()
    (tmp_path / "reports/published/mine").mkdir()
    (tmp_path / "reports/published/mine/notes.txt").write_text("mine")
    with pytest.raises(UserError, match="is no published report"):
        publish("small", "mine", tmp_path)
    assert (tmp_path / "reports/published/mine/notes.txt").read_text() == "mine"
    assert sorted(path.name for path in target.parent.iterdir()) == ["mine", "small"]


def test_nothing_is_lost_but_an_earlier_report_of_the_same_profile(run, tmp_path):
    target = publish("small", root=tmp_path)
    (target / "NOTES.md").write_text("mine")
    with pytest.raises(UserError, match=r"holds 'NOTES\.md', which no report made"):
        publish("small", root=tmp_path)
    (target / "NOTES.md").unlink()
    write_record(target, read_record(target) | {"parameters": read_record(target)["parameters"] | {"profile": "other"}})
    with pytest.raises(UserError, match="is a report of profile other"):
        publish("small", root=tmp_path)
    target.rename(tmp_path / "elsewhere")
    target.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="is no published report"):
        publish("small", root=tmp_path)
    assert (tmp_path / "elsewhere" / "html" / "index.html").is_file()


@pytest.mark.parametrize(
    "harm",
    [
        lambda record: record | {"parameters": []},
        lambda record: record | {"parameters": {}},
        lambda record: record | {"parameters": record["parameters"] | {"profile": 1}},
        lambda record: record | {"parameters": record["parameters"] | {"bootstrap_samples": "many"}},
        lambda record: record | {"notebooks": []},
        lambda record: record | {"notebooks": {"07_ablation": "done"}},
        lambda record: record | {"site": {}},
    ],
)
def test_a_record_that_is_damaged_within_is_one_line(run, tmp_path, harm):
    write_record(run, harm(read_record(run)))
    for use in (lambda: publish("small", root=tmp_path), lambda: claims_table.ledger_of(run, recompute=True)):
        with pytest.raises(UserError, match="no record of a run"):
            use()


def test_a_ledger_of_other_parameters_or_without_verdicts_is_not_shown(run):
    artefacts = Artefacts(run / "artefacts", {"seed": 99})
    artefacts.save(ABLATION, PREDICTIONS)
    with pytest.raises(UserError, match="seed = 99, the run has seed = 0"):
        claims_table.ledger_of(run, recompute=True)
    artefacts = Artefacts(run / "artefacts")
    for table in (pd.DataFrame({"id": ["a"]}), claims_table.ledger_of(run).iloc[:0]):
        artefacts.save("10_claims/ledger", table)
        with pytest.raises(UserError, match="run notebook 10_claims again"):
            claims_table.ledger_of(run)


@pytest.mark.parametrize("name", ["../small", "a/b", ".hidden", "", " "])
def test_a_name_stays_in_its_folder(run, tmp_path, name):
    if name:
        with pytest.raises(UserError, match="a report's name"):
            publish("small", name, tmp_path)
    else:
        assert publish("small", name, tmp_path).name == "small"


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda run: (run / "notebooks/07_ablation.ipynb").write_text("a better result"), "07_ablation"),
        (lambda run: (run / "notebooks/07_ablation.ipynb").unlink(), "07_ablation"),
        (lambda run: (run / f"artefacts/{ABLATION}.made.json").write_text("{}"), "07_ablation"),
        (lambda run: (run / "html/index.html").write_text("UAR 1.00"), "pages"),
        (lambda run: (run / "html/index.html").unlink(), "pages"),
        (lambda run: forget(run, "10_claims"), "not complete, 10_claims"),
        (lambda run: (run / "run.json").unlink(), "no folder of a run"),
        (lambda run: (run / "run.json").write_text("{"), "no record of a run"),
    ],
)
def test_what_is_not_as_it_was_made_is_not_published(run, tmp_path, harm, words):
    harm(run)
    with pytest.raises(UserError, match=words) as caught:
        publish("small", root=tmp_path)
    assert "\n" not in str(caught.value) and not (tmp_path / "reports/published").exists()


def forget(run, name):
    record = read_record(run)
    write_record(run, record | {"notebooks": record["notebooks"] | {name: None}})


def test_a_report_that_is_too_large_is_refused(run, tmp_path):
    rng = np.random.default_rng(0)
    Artefacts(run / "artefacts").save(ABLATION, pd.DataFrame({"clips_per_s": rng.random(1_500_000)}))
    record = read_record(run)
    record["notebooks"]["07_ablation"]["artefacts"] = folder_digest(run / "artefacts" / "07_ablation")
    write_record(run, record)
    with pytest.raises(UserError, match=r"the tables take 1\d\.\d MB, more than the 10 MB"):
        publish("small", root=tmp_path)
    assert not (tmp_path / "reports/published").exists()


def test_a_published_report_is_not_published_again(run, tmp_path):
    publish("small", root=tmp_path)
    with pytest.raises(UserError, match="published report already"):
        publish("published/small", "again", tmp_path)


def test_anyone_can_compute_the_ledger_of_a_published_report_again(run, tmp_path):
    target = publish("small", root=tmp_path)
    kept, again = (claims_table.ledger_of(target, recompute) for recompute in (False, True))
    pd.testing.assert_frame_equal(kept, again, check_dtype=False)
    assert kept.query("basis == 'this run'")["low"].notna().any()
    Artefacts(target / "artefacts").save(ABLATION, PREDICTIONS.assign(predicted="sad"))
    assert (claims_table.ledger_of(target, True)["evidence"] != kept["evidence"]).any()


def test_a_ledger_is_not_recomputed_from_nothing(run):
    """Every measured claim came out as not testable, and the status was 0."""
    for path in run.rglob(f"{ABLATION}.*"):
        path.unlink()
    assert len(claims_table.ledger_of(run))
    with pytest.raises(UserError, match="no tables to recompute the claims from"):
        claims_table.ledger_of(run, recompute=True)


def test_a_claim_in_full_and_all_in_a_line_each(run):
    table = claims_table.ledger_of(run)
    lines = claims_table.overview(table).splitlines()
    assert len(lines) == len(table) and any(line.startswith("noisy-97 ") for line in lines)
    text = claims_table.in_full(table, "noisy-97")
    for part in ("claim:", "printed:", "test:", "evidence:", "verdict:", "command:"):
        assert part in text, part
    with pytest.raises(UserError, match="did you mean noisy-97"):
        claims_table.in_full(table, "noisy97")


def test_the_run_that_is_meant_where_none_is_named(tmp_path):
    with pytest.raises(UserError, match="no run with a ledger"):
        claims_table.newest(tmp_path)
    other = made(tmp_path / "reports" / "other")
    assert claims_table.newest(tmp_path) == other == found("other", tmp_path) == found(str(other), tmp_path)
    published = publish("other", root=tmp_path)
    assert claims_table.newest(tmp_path) == other
    demo = made(tmp_path / "reports" / "demo")
    assert claims_table.newest(tmp_path) == demo
    for run in (demo, other):
        (run / "run.json").unlink()
    assert claims_table.newest(tmp_path) == published == found("small", tmp_path)


def test_a_ledger_is_read_without_a_model(run):
    code = (
        "import sys; from pathlib import Path; from sersupport.report.claims_table import ledger_of, overview;"
        f"print(overview(ledger_of(Path({str(run)!r}))));"
        "sys.exit(' '.join({'torch', 'transformers'} & set(sys.modules)) or 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0 and "noisy-97" in result.stdout, result.stderr
