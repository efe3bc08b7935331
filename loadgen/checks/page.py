#!/usr/bin/env python3
"""Opens a report in headless Chromium and checks that its plots are drawn and that it fits its window.

    page.py PAGE.HTML [SCREENSHOT.PNG]

The browser is asked for the size of everything as it was laid out, in a window and on a telephone, light and
dark. Words of the tables must not be broken, labels neither cut off nor over each other.
"""

import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/browser"))
from cdp import Browser  # noqa: E402

WIDTHS = (1180, 400)
PROBE = """(() => {
  const seen = (element) => getComputedStyle(element).display !== "none";
  const plots = {};
  for (const svg of document.querySelectorAll("svg")) {
    const marks = [...svg.querySelectorAll(".trace, .area, .cells")].map((mark) => mark.getBBox());
    const labels = [...svg.querySelectorAll("text")].filter(seen).map((text) => text.getBoundingClientRect());
    const box = svg.getBoundingClientRect();
    const overlap = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
      && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3;
    plots[svg.id] = {
      width: box.width, labels: labels.length,
      marks: marks.filter((b) => b.width > 20).length, tall: marks.filter((b) => b.height > 2).length,
      cut: labels.filter((b) => b.right > box.right + 1 || b.left < box.left - 1 || b.bottom > box.bottom + 2).length,
      overlaps: labels.filter((a, at) => labels.some((b, other) => other > at && overlap(a, b))).length,
      height: labels.length ? Math.min(...labels.map((b) => Math.max(b.width, b.height))) : 0,
      colour: getComputedStyle(svg.querySelector("path.trace, path.area")).stroke,
    };
  }
  // A word is broken where its letters are on more than one line.
  const broken = [];
  for (const cell of document.querySelectorAll("th, td")) {
    const walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
    for (let node; (node = walker.nextNode());) {
      for (const word of node.data.matchAll(/[\\w.]+/g)) {
        const range = document.createRange();
        range.setStart(node, word.index);
        range.setEnd(node, word.index + word[0].length);
        if (new Set([...range.getClientRects()].map((rect) => Math.round(rect.top))).size > 1) broken.push(word[0]);
      }
    }
  }
  const paper = getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number);
  const ink = getComputedStyle(document.body).color.match(/\\d+/g).map(Number);
  return { plots, broken, width: document.documentElement.scrollWidth,
    paper: paper[0] + paper[1] + paper[2], ink: ink[0] + ink[1] + ink[2] };
})()"""


def check(found, width, scheme):
    """Fails with what is not as it should be."""
    about = f"{width} pixels, {scheme}"
    assert found["width"] <= width, f"{about}: the page is {found['width']} wide"
    assert not found["broken"], f"{about}: broken words {found['broken']}"
    lighter, darker = ("ink", "paper") if scheme == "dark" else ("paper", "ink")
    assert found[lighter] - found[darker] > 400, f"{about}: {found['paper']} {found['ink']}"
    assert set(found["plots"]) - {"sessions"} == {"percentiles", "heat", "spread", "rates"}, found["plots"]
    for name, plot in found["plots"].items():
        drawn = 0.8 * min(width, 500) < plot["width"] <= width and plot["marks"] >= 2 and plot["labels"] >= 6
        assert drawn and plot["colour"].startswith("rgb"), (about, name, plot)
        assert plot["cut"] == 0, f"{about}: {name}: labels are cut off"
        assert plot["overlaps"] == 0, f"{about}: {name}: labels over each other"
        assert plot["height"] > 9, f"{about}: {name}: labels of {plot['height']} pixels"
        assert name in ("rates", "sessions") or plot["tall"] >= 2, (about, name, plot)


def main():
    page = pathlib.Path(sys.argv[1])
    external = re.findall(r"https?://|\bsrc=|@import|<script", page.read_text())
    assert not external, external
    browser = Browser("chromium")
    try:
        for width in WIDTHS:
            for scheme in ("light", "dark"):
                tab = browser.open(page.resolve().as_uri(), width=width, height=1500, scheme=scheme, mobile=width < 600)
                found = tab.evaluate(PROBE)
                check(found, width, scheme)
                assert not tab.complaints, tab.complaints
                if len(sys.argv) > 2 and (width, scheme) == (WIDTHS[0], "light"):
                    tab.screenshot(sys.argv[2])
                tab.close()
    finally:
        browser.close()
    marks = ", ".join(f"{name} {plot['marks']}" for name, plot in found["plots"].items())
    print(f"page: at {WIDTHS} pixels, light and dark, marks drawn in each plot: {marks}")


main()
