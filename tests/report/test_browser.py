"""The page in a real browser, as wide as a phone: no complaint, nothing fetched, filter, sorting, what is pointed at.

Chromium by itself is enough: it opens a page in a frame of that width, and prints what a script in it found.
"""

import json
import shutil
import subprocess
from html import escape, unescape

import pytest

from supremix.report import runs
from supremix.store.folders import Store
from tests.report.test_pictures import network

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium: apt install chromium")
WIDTH = 390
PROBE = """
addEventListener("load", () => {
  const all = selector => [...document.querySelectorAll(selector)], one = selector => document.querySelector(selector);
  const rows = () => all("table.runs tbody tr").filter(row => !row.hidden).map(row => row.cells[0].textContent);
  const filter = text => {
    one("input[type=search]").value = text;
    one("input[type=search]").dispatchEvent(new Event("input"));
    return rows();
  };
  const sort = name => {
    all("th button").find(button => button.textContent === name).click();
    return rows();
  };
  const point = (kind, mark, away) => {
    const box = mark.getBoundingClientRect(), x = box.x + box.width / 2 + away, y = box.y + box.height / 2;
    (away ? mark.closest("svg") : mark).dispatchEvent(new PointerEvent(kind, {bubbles: true, clientX: x, clientY: y}));
    return said(mark);
  };
  const said = mark => mark.closest("figure").querySelector("output").textContent;
  const press = (picture, key) => {
    picture.dispatchEvent(new KeyboardEvent("keydown", {key}));
    return said(picture);
  };
  const wide = () => document.documentElement.scrollWidth - document.documentElement.clientWidth;
  const seen = {width: innerWidth, closed: wide(), all: rows(), filtered: filter("SECOND p"), none: filter("nothing")};
  filter("");
  Object.assign(seen, {up: sort("MAE, val"), down: sort("MAE, val"), methods: sort("method"), unsorted: !all("th")
    .find(heading => heading.textContent === "MAE, test").querySelector("button")});
  const [map, other] = all("svg.map"), dots = [...map.querySelectorAll("circle")];
  const sweep = one("g[data-says]").closest("svg");
  seen.pointed = point("pointermove", dots[3], 0);
  seen.ringed = [map, other].map(picture => picture.querySelectorAll(".picked").length);
  seen.line = point("pointerdown", one("g[data-says] .reach"), 0);
  seen.touched = point("pointerdown", [...dots].sort((a, b) => b.cx.baseVal.value - a.cx.baseVal.value)[0], 5);
  seen.rightmost = [...dots].sort((a, b) => b.cx.baseVal.value - a.cx.baseVal.value)[0].dataset.says;
  map.focus();
  seen.focused = document.activeElement === map;
  seen.keys = ["Home", "ArrowRight", "End", "Escape"].map(key => press(map, key));
  seen.best = press(sweep, "Home");
  for (const part of all("details")) part.open = true;
  seen.open = wide();
  seen.fetched = performance.getEntriesByType("resource").map(entry => entry.name);
  seen.unnamed = all("svg").filter(svg => !svg.getAttribute("aria-label") && !svg.getAttribute("aria-hidden")).length;
  parent.document.getElementById("seen").textContent = JSON.stringify(seen);
});
"""


def opened(tmp_path, text):
    """What the script found in a page, and what the browser complained of."""
    framed = escape(text.replace("</body>", f"<script>{PROBE}</script></body>"))
    place = tmp_path / "framed.html"
    place.write_text(f'<pre id="seen">null</pre><iframe width="{WIDTH}" height="800" srcdoc="{framed}"></iframe>')
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--virtual-time-budget=5000"]
    flags += ["--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
    done = subprocess.run([CHROMIUM, *flags, place.as_uri()], capture_output=True, text=True, timeout=120, check=True)
    found = done.stdout.partition('<pre id="seen">')[2].partition("</pre>")[0]
    return json.loads(unescape(found)), [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """The page of a store with a sweep of two settings, and a second method."""
    root = tmp_path_factory.mktemp("store")
    for i, (t, w) in enumerate([(1, 1), (1, 2), (2, 1), (2, 2)]):
        network(root / "runs", f"first{i}", 4.0 - i, t=t, w=w)
    network(root / "runs", "second0", 2.5, method="second")
    runs.report(root / "runs", Store(root / "runs"), root / "report.html")
    return (root / "report.html").read_text()


def test_a_phone_shows_sorts_and_filters_the_page_without_complaint_or_network(text, tmp_path):
    seen, complaints = opened(tmp_path, text)
    assert complaints == []
    assert seen["fetched"] == []
    assert seen["width"] == WIDTH
    assert [seen["closed"], seen["open"]] == [0, 0]  # pixels beyond the right edge
    assert seen["unnamed"] == 0
    ranked = ["first3", "first2", "second0", "first1", "first0"]
    assert [seen["all"], seen["up"], seen["down"]] == [ranked, ranked, ranked[::-1]]
    assert seen["methods"][-1] == "second0"
    assert seen["unsorted"]
    assert [seen["filtered"], seen["none"]] == [["second0"], []]
    assert seen["pointed"] == "row r<3>: age 3, predicted 5"
    assert seen["ringed"] == [1, 1]
    assert seen["touched"] == seen["rightmost"]
    assert seen["line"] == "t=1, w=1: validation MAE 4"
    assert seen["focused"]
    rows = [f"row r<{i}>: age {i}, predicted {i + 2}" for i in (23, 22, 0)]
    assert seen["keys"][:3] == rows
    assert seen["keys"][3].startswith("Point, touch")
    assert seen["best"] == "t=2, w=2: validation MAE 1"


@pytest.mark.parametrize(
    ("broken", "key", "wrong"),
    [
        ("<script>nothing()</script>", None, "nothing is not defined"),
        ('<img alt="" src="https://example.org/a.png">', "fetched", ["https://example.org/a.png"]),
        ('<p style="width:500px">wide</p>', "closed", None),
    ],
)
def test_a_browser_tells_what_is_wrong(text, tmp_path, broken, key, wrong):
    seen, complaints = opened(tmp_path, text.replace("</h1>", f"</h1>{broken}"))
    if key is None:
        assert wrong in complaints[0]
    else:
        assert seen[key] == wrong if wrong else seen[key] > 0
