"""The report in a real browser with the network off: what it loads, shows, and does for keys."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli._run import run

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
NAMES = ["</script><b>cat</b>" + "x" * 200, "كلب كبير", "dog"]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report made by the command line, with pictures, a confusion, and hostile class names."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("report")
    (folder / "images").mkdir()
    for n in (1, 2):
        Image.new("RGB", (160, 120), (90 * n, 120, 60)).save(folder / "images" / f"{n}.jpg")
    truths = [(1, 1, [10, 10, 40, 40]), (1, 2, [80, 20, 40, 60]), (2, 3, [20, 20, 60, 60])]
    truth = {
        "images": [{"id": n, "file_name": f"{n}.jpg", "width": 160, "height": 120} for n in (1, 2)],
        "categories": [{"id": k + 1, "name": name} for k, name in enumerate(NAMES)],
        "annotations": [
            {"id": n + 1, "image_id": i, "category_id": k, "bbox": b, "area": b[2] * b[3], "iscrowd": 0}
            for n, (i, k, b) in enumerate(truths)
        ],
    }
    found = [(1, 1, [10, 10, 40, 40], 0.9), (1, 3, [80, 20, 40, 60], 0.8), (2, 3, [22, 20, 60, 60], 0.7),
             (2, 1, [100, 90, 20, 20], 0.95)]  # fmt: skip
    rows = [{"image_id": i, "category_id": k, "bbox": b, "score": s} for i, k, b, s in found]
    (folder / "truth.json").write_text(json.dumps(truth), encoding="utf-8")
    (folder / "found.json").write_text(json.dumps(rows), encoding="utf-8")
    done = run(["report", "truth.json", "found.json", "--images", "images", "-o", "report.html"], folder)
    assert done.code == 0, done.stderr
    return folder / "report.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium without a window and without a network."""
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("chromium and chromedriver are not installed")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER, log_output=os.devnull))
    driver.set_script_timeout(120)
    driver.execute_cdp_cmd("Network.enable", {})
    offline = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    driver.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
    yield driver
    driver.quit()


@pytest.fixture
def opened(browser: Any, page: Path) -> Any:
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    browser.set_window_size(1200, 900)
    browser.get(page.as_uri())
    return browser


def keys(browser: Any, *pressed: str) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    chain = ActionChains(browser)
    for key in pressed:
        chain.send_keys(key)
    chain.perform()


def test_it_loads_alone_and_without_errors(browser: Any, page: Path) -> None:
    browser.get_log("performance")
    browser.get(page.as_uri())
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    assert [url for url in asked if not url.startswith("data:")] == [page.as_uri()]
    assert [entry["message"] for entry in browser.get_log("browser")] == []
    assert page.stat().st_size < 3_000_000


def test_every_section_is_there_and_in_the_contents(opened: Any) -> None:
    titles = opened.execute_script("return [...document.querySelectorAll('section h2')].map(h => h.textContent)")
    links = opened.execute_script("return [...document.querySelectorAll('#contents a')].map(a => a.textContent)")
    assert titles == links
    assert {"Summary", "Classes", "Curves and thresholds", "Confusion matrix", "Worst images"} <= set(titles)


def test_names_are_shown_as_they_are(opened: Any) -> None:
    shown = opened.execute_script(
        "return [...document.querySelectorAll('#classes tbody th')]"
        ".map(c => [c.textContent, getComputedStyle(c).direction])"
    )
    assert shown == [[NAMES[0], "ltr"], [NAMES[1], "rtl"], [NAMES[2], "ltr"]]
    assert opened.execute_script("return document.querySelectorAll('#classes b').length") == 0


def test_the_slider_moves_the_counts_by_keys_alone(opened: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    opened.execute_script("document.getElementById('threshold').focus()")
    keys(opened, Keys.HOME)
    first = opened.find_element("css selector", "#curves .counts").text
    keys(opened, Keys.END)
    last = opened.find_element("css selector", "#curves .counts").text
    # The highest score is a false positive; with all four kept two of three truths are found.
    assert re.findall(r"TP\s+(\d+)\s+FP\s+(\d+)\s+FN\s+(\d+)", first) == [("0", "1", "3")]
    assert re.findall(r"TP\s+(\d+)\s+FP\s+(\d+)\s+FN\s+(\d+)", last) == [("2", "2", "1")]


def test_a_class_opens_its_curves_by_the_enter_key(opened: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    opened.execute_script("document.querySelector('#classes tbody tr:nth-child(3) button').focus()")
    keys(opened, Keys.ENTER)
    assert opened.execute_script("return document.activeElement.id") == "class"
    assert opened.execute_script("return document.activeElement.selectedOptions[0].textContent") == "dog"


def test_tables_sort_by_their_heads(opened: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    head = "#classes thead th:nth-child(2)"
    column = (
        "return [...document.querySelectorAll('#classes tbody tr')].map(r => r.children[1].textContent).map(Number)"
    )
    opened.execute_script(f"document.querySelector('{head} button').focus()")
    keys(opened, Keys.ENTER)
    descending = opened.execute_script(column)
    assert opened.find_element("css selector", head).get_attribute("aria-sort") == "descending"
    keys(opened, Keys.ENTER)
    ascending = opened.execute_script(column)
    assert descending == sorted(descending, reverse=True) != ascending == sorted(ascending)


def test_a_confused_cell_opens_its_examples_and_escape_closes_them(opened: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    # The name keeps its direction to itself.
    label = f"truth \u2068{NAMES[1]}\u2069, predicted dog: 1, show examples"
    cells = "[...document.querySelectorAll('.matrix button')]"
    opened.execute_script(f"{cells}.find(b => b.getAttribute('aria-label') === arguments[0]).focus()", label)
    keys(opened, Keys.ENTER)
    dialog = opened.find_element("css selector", "#examples")
    assert dialog.get_attribute("open") is not None
    assert "missed truth" in dialog.text
    assert dialog.find_elements("css selector", "image")
    keys(opened, Keys.ESCAPE)
    assert dialog.get_attribute("open") is None


def test_misses_show_their_examples(opened: Any) -> None:
    shown = opened.execute_script(
        "return [...document.querySelectorAll('#misses > details > summary')].map(s => s.textContent)"
    )
    # The second truth was found, but as another class.
    assert shown == ["wrong class: 1 of 1 shown, the largest first"]
    opened.execute_script("document.querySelector('#misses > details > summary').click()")
    assert opened.find_element("css selector", "#misses .gallery image").is_displayed()


def test_boxes_of_a_kind_can_be_hidden(opened: Any) -> None:
    count = (
        "return [...document.querySelectorAll('#gallery .box.fp')]"
        ".filter(b => getComputedStyle(b).display !== 'none').length"
    )
    assert opened.execute_script(count) == 2
    opened.execute_script("document.querySelectorAll('#gallery fieldset input')[1].click()")
    assert opened.execute_script(count) == 0


def test_the_axis_of_counts_tells_the_height_of_its_bars(opened: Any) -> None:
    bars = "return [...document.querySelectorAll('#curves figure:nth-child(3) rect')].map(r => r.getBBox().y)"
    lines = (
        "return [...document.querySelectorAll('#curves figure:nth-child(3) text[text-anchor=end]')]"
        ".filter(t => t.textContent === '1').map(t => t.getAttribute('y') - 4)"
    )
    # Every bin with a detection holds one.
    (one,) = opened.execute_script(lines)
    assert min(opened.execute_script(bars)) == pytest.approx(one, abs=0.1)


def test_a_found_pair_and_an_error_differ_by_more_than_red_and_green(opened: Any) -> None:
    stroke = "return getComputedStyle(document.querySelector(`#gallery .box.${arguments[0]}`)).stroke"
    blue = {kind: int(opened.execute_script(stroke, kind).strip("rgb()").split(",")[2]) for kind in ("tp", "fp", "gt")}
    assert blue["tp"] == blue["gt"] > 200 > 100 > blue["fp"]


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_it_fits_the_window(opened: Any, width: int) -> None:
    opened.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    )
    try:
        assert opened.execute_script("return document.documentElement.scrollWidth") <= width
        # A long name stays in its cell.
        over = "return [...document.querySelectorAll('#classes tbody th')].map(c => c.scrollWidth - c.clientWidth)"
        assert max(opened.execute_script(over)) <= 0
    finally:
        opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_serious_barrier_in_either_theme(browser: Any, page: Path, theme: str) -> None:
    import axe_core_python

    scheme = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)
    browser.get(page.as_uri())
    assert browser.execute_script("return document.documentElement.dataset.theme") == theme
    browser.execute_script((Path(axe_core_python.__path__[0]) / "axe.min.js").read_text(encoding="utf-8"))
    found = browser.execute_async_script("axe.run().then(arguments[arguments.length - 1])")
    assert len(found["passes"]) > 30
    assert [(v["id"], v["impact"], v["nodes"][0]["html"]) for v in found["violations"]] == []


@pytest.fixture(scope="module")
def findings(page: Path) -> Path:
    """The page of `check` on a truth with an error, which is shown open, and a note, which is not."""
    truth = json.loads((page.parent / "truth.json").read_text(encoding="utf-8"))
    truth["annotations"][0]["bbox"] = [10, 10, 0, 40]
    truth["categories"].append({"id": 9, "name": "unused"})
    (page.parent / "bad.json").write_text(json.dumps(truth), encoding="utf-8")
    done = run(["check", "bad.json", "--format", "html", "-o", "check.html"], page.parent)
    assert done.code == 1, done.stderr
    return page.parent / "check.html"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_findings_have_no_serious_barrier_and_fit_a_phone(browser: Any, findings: Path, theme: str) -> None:
    import axe_core_python

    scheme = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)
    phone = {"width": 360, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    try:
        browser.get(findings.as_uri())
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 360
        browser.execute_script((Path(axe_core_python.__path__[0]) / "axe.min.js").read_text(encoding="utf-8"))
        found = browser.execute_async_script("axe.run().then(arguments[arguments.length - 1])")
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert [(v["id"], v["nodes"][0]["html"]) for v in found["violations"]] == []


def test_a_code_opens_its_places(browser: Any, findings: Path) -> None:
    browser.get(findings.as_uri())
    closed = browser.find_element("css selector", "details:not([open]) table").get_attribute("id")
    browser.find_element("css selector", f"a[href='#{closed}']").click()
    assert browser.find_element("css selector", f"#{closed}").is_displayed()
