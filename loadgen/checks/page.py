#!/usr/bin/env python3
"""Opens a report in headless Chromium and checks that its plots are drawn.

    page.py PAGE.HTML [SCREENSHOT.PNG]

A script is added to a copy of the page that asks the browser for the size of everything in the plots as it
was laid out.
"""

import html
import json
import pathlib
import re
import subprocess
import sys
import tempfile

PROBE = """<script>
const plots = {};
for (const svg of document.querySelectorAll("svg")) {
  const boxes = [...svg.querySelectorAll(".trace, .area, .cells")].map((mark) => mark.getBBox());
  plots[svg.id] = { width: svg.getBoundingClientRect().width, marks: boxes.filter((b) => b.width > 20).length,
    tall: boxes.filter((b) => b.height > 2).length, labels: svg.querySelectorAll("text").length,
    cut: [...svg.querySelectorAll("text")].map((text) => text.getBBox())
      .filter((b) => b.x + b.width > svg.viewBox.baseVal.width + 1).length,
    colour: getComputedStyle(svg.querySelector("path.trace, path.area")).stroke };
}
const out = document.createElement("pre");
out.id = "probe";
out.textContent = JSON.stringify({ plots, width: document.documentElement.scrollWidth });
document.body.append(out);
</script></body>"""

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--window-size=1180,1500",
]


def chromium(page, *flags):
    """Runs the browser on a page with an empty profile; gives what it prints."""
    with tempfile.TemporaryDirectory() as profile:
        command = ["chromium", *FLAGS, f"--user-data-dir={profile}", *flags, page.resolve().as_uri()]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def main():
    page = pathlib.Path(sys.argv[1])
    text = page.read_text()
    external = re.findall(r"https?://|\bsrc=|@import|<script", text)
    assert not external, external
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "page.html"
        copy.write_text(text.replace("</body>", PROBE))
        dump = chromium(copy, "--dump-dom")
    found = json.loads(html.unescape(re.search(r'<pre id="probe">(.*?)</pre>', dump, re.S)[1]))
    assert found["width"] <= 1180, found["width"]
    assert set(found["plots"]) - {"sessions"} == {"percentiles", "heat", "spread", "rates"}, found["plots"]
    for name, plot in found["plots"].items():
        drawn = plot["width"] > 300 and plot["marks"] >= 2 and plot["labels"] >= 6
        assert drawn and plot["colour"].startswith("rgb"), (name, plot)
        assert plot["cut"] == 0, f"{name}: labels are cut off at the right"
        assert name in ("rates", "sessions") or plot["tall"] >= 2, (name, plot)
    if len(sys.argv) > 2:
        chromium(page, f"--screenshot={pathlib.Path(sys.argv[2]).resolve()}")
    marks = ", ".join(f"{name} {plot['marks']}" for name, plot in found["plots"].items())
    print(f"page: marks drawn in each plot: {marks}")


main()
