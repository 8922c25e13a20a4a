"""The site in a real browser, from disk: no request, no console error, no sideways scrolling."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

PUBLISHED = Path(__file__).parents[2] / "reports" / "published"
COMMITTED = sorted(path.parents[1].name for path in PUBLISHED.glob("*/html/index.html"))
WIDTHS = (1280, 390)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--allow-file-access-from-files=false",
)
SETTLE = """
const done = arguments[0];
window.MathJax && MathJax.startup ? MathJax.startup.promise.then(() => done()) : done();
"""
BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (BROWSER and DRIVER), reason="no chromium and chromedriver on this machine")


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.get("about:blank")
    driver.get_log("performance")  # what the browser's own first page asks for is not the site's
    yield driver
    driver.quit()


@pytest.fixture(scope="module", params=["small", *COMMITTED])
def site(request, small_run):
    return (small_run if request.param == "small" else PUBLISHED / request.param) / "html"


def open_page(browser, page: Path, width: int) -> None:
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get(page.as_uri())
    # MathJax sets its formulas after the page has loaded
    browser.set_script_timeout(30)
    browser.execute_async_script(SETTLE)


def requested(browser) -> list[str]:
    events = (json.loads(entry["message"])["message"] for entry in browser.get_log("performance"))
    sent = (event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent")
    return [url for url in sent if not url.startswith(("file:", "data:", "blob:"))]


@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_at_both_widths(browser, site, width):
    pages = sorted(site.glob("*.html"))
    assert len(pages) >= 4
    for page in pages:
        open_page(browser, page, width)
        errors = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
        assert not errors, (page.name, errors)
        assert not requested(browser), page.name
        overflow = browser.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
        assert overflow <= 1, (page.name, overflow)
        broken = browser.execute_script(
            "return [...document.images].filter(i => !i.alt || (i.complete && !i.naturalWidth)).map(i => i.alt)"
        )
        assert not broken, (page.name, broken)
        formulas = browser.execute_script("return document.querySelectorAll('.math').length")
        rendered = browser.execute_script("return document.querySelectorAll('.math mjx-container').length")
        assert rendered >= formulas, (page.name, formulas, rendered)


@pytest.mark.parametrize(("width", "display"), [(1280, "table-cell"), (390, "block")])
def test_a_table_of_sentences_becomes_lists_on_a_phone(browser, small_run, width, display):
    """It was eight sentences wide, of which a phone showed a part of one."""
    open_page(browser, small_run / "html" / "01_data.html", width)
    cells = browser.execute_script(
        "return [...document.querySelectorAll('.ser-sentences td')].map(cell => ["
        "getComputedStyle(cell).display, getComputedStyle(cell, '::before').content,"
        "cell.getBoundingClientRect().right])"
    )
    assert len(cells) == 16 and {cell[0] for cell in cells} == {display}
    if width == 390:
        assert [cell[1] for cell in cells[:2]] == ['"column 0: "', '"column 1: "']
        assert max(cell[2] for cell in cells) <= width


def test_code_is_folded_and_opens(browser, site):
    open_page(browser, site / "01_data.html", 1280)
    states = browser.execute_script("return [...document.querySelectorAll('div.cell details.hide')].map(d => d.open)")
    assert states and not any(states)
    browser.execute_script("document.querySelector('div.cell details.hide summary').click()")
    assert browser.execute_script("return document.querySelector('div.cell details.hide pre').offsetHeight") > 0


def test_search_finds_a_word_from_disk(browser, site):
    from selenium.webdriver.support.ui import WebDriverWait

    open_page(browser, site / "search.html", 1280)
    word = "attentive" if site.parent.name in COMMITTED else "chapter"
    browser.get(f"{(site / 'search.html').as_uri()}?q={word}")
    found = WebDriverWait(browser, 15).until(
        lambda driver: driver.execute_script("return document.querySelectorAll('#search-results li a').length")
    )
    assert found >= 1
