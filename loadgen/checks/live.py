#!/usr/bin/env python3
"""Shows the live view of a run to a terminal emulator that is not fanload's own (PyPI pyte), in several sizes.

    live.py FANLOAD HOST:PORT [SCREENSHOT.PNG]

Whenever fanload has drawn, the screen must hold the view once: one bar, one line of each kind, nothing wrapped
and nothing left over of what was drawn before, also after the terminal has got another size. When the run is over, the
view is gone and the table stands in its place.
"""

import fcntl
import html
import os
import pathlib
import pty
import re
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time

import pyte

# Sizes as columns and rows, one after the other while the run goes on.
TERMINALS = {
    "usual": [(80, 24)],
    "small": [(60, 15)],
    "tiny": [(34, 7)],
    "resized": [(80, 24), (60, 15), (100, 30), (40, 10)],
}
PATIENCE_S = 60
# What is drawn is drawn at once; a screen that has been still for so long is whole.
STILL_S = 0.15
LOAD = ["--subscribers", "50", "--rate", "100", "--warmup", "1s", "--duration", "5s", "--lag-max", "1s"]
LINES = ("messages", "missing", "generator", "completion")


def resize(terminal, columns, rows):
    """Gives the terminal a size, as a window manager does."""
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def check(name, screen):
    """Fails unless the screen shows the view once, and only that."""
    lines = [line.rstrip() for line in screen.display]
    shown = "\n".join(lines)
    bars = [line for line in lines if re.search(r"\[[#.]*\]", line)]
    assert len(bars) == 1, f"{name}: {len(bars)} bars\n{shown}"
    for kind in LINES:
        assert sum(line.startswith(kind) for line in lines) <= 1, f"{name}: {kind} twice\n{shown}"
    assert not lines[-1], f"{name}: the last row is the cursor's\n{shown}"
    return lines


def watch(name, sizes, fanload, target):
    """Makes a run on a terminal; gives every screen that was whole."""
    ours, theirs = pty.openpty()
    columns, rows = sizes[0]
    resize(ours, columns, rows)
    screen = pyte.Screen(columns, rows)
    stream = pyte.ByteStream(screen)
    with tempfile.TemporaryFile() as table:
        process = subprocess.Popen([fanload, "--target", target, *LOAD], stdin=theirs, stdout=table, stderr=theirs)
        os.close(theirs)
        seen, left, started = [], list(sizes[1:]), time.monotonic()
        while True:
            assert time.monotonic() - started < PATIENCE_S, f"{name}: does not end"
            if select.select([ours], [], [], STILL_S)[0]:
                try:
                    data = os.read(ours, 1 << 16)
                except OSError:
                    break
                stream.feed(data)
            elif process.poll() is not None:
                break
            elif seen or any(line.strip() for line in screen.display):
                if not seen or screen.display != seen[-1][1]:
                    check(name, screen)
                    seen.append(((screen.columns, screen.lines), list(screen.display)))
                    if left:
                        columns, rows = left.pop(0)
                        resize(ours, columns, rows)
                        screen.resize(rows, columns)
                        # What a terminal shows until the next redraw is its own affair.
                        seen.append(((columns, rows), list(screen.display)))
        os.close(ours)
        code = process.wait(PATIENCE_S)
        table.seek(0)
        text = table.read().decode()
    assert code == 0, f"{name}: exit code {code}\n{text}"
    assert "verdict    valid" in text, text
    rest = "\n".join(screen.display).strip()
    assert not rest, f"{name}: left behind\n{rest}"
    assert not left and len(seen) >= 4, f"{name}: {len(seen)} screens"
    return seen


def picture(screen, path):
    """Draws a screen as a terminal would."""
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/browser"))
    from cdp import Browser

    text = html.escape("\n".join(screen).rstrip())
    page = (f"<meta charset=utf-8><style>body {{ margin: 0; background: #14171b }} pre {{ margin: 14px 18px; color: #e6e9ed; "
            f"font: 14px/1.35 'DejaVu Sans Mono', monospace }}</style><pre>{text}</pre>")
    with tempfile.NamedTemporaryFile("w", suffix=".html") as file:
        file.write(page)
        file.flush()
        browser = Browser("chromium")
        try:
            tab = browser.open(pathlib.Path(file.name).as_uri(), width=720, height=40 + 19 * (text.count("\n") + 1))
            tab.screenshot(path)
        finally:
            browser.close()


def main():
    fanload, target = sys.argv[1], sys.argv[2]
    for name, sizes in TERMINALS.items():
        seen = watch(name, sizes, fanload, target)
        if name == "usual" and len(sys.argv) > 3:
            picture(seen[-1][1], sys.argv[3])
    print(f"live view: redrawn in place on {len(TERMINALS)} terminals: {', '.join(TERMINALS)}")


main()
