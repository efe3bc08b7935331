"""Programs that each use one SDK and do what they are told, so that every SDK meets the same scenarios.

A puppet reads commands and tells events, both as JSON, a line each (tests/sdk/scenarios.py says which). In a browser they are
passed by its debugger.
"""

import contextlib
import http.server
import json
import pathlib
import queue
import subprocess
import sys
import threading

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "browser"))
from cdp import Browser  # noqa: E402


class Process:
    """A puppet that is a program."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.told = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.told.put(json.loads(line))
        self.told.put(None)

    def do(self, command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def events(self, seconds):
        """What was told meanwhile: waits for the first, so long."""
        found = []
        with contextlib.suppress(queue.Empty):
            found.append(self.told.get(timeout=seconds))
            while True:
                found.append(self.told.get_nowait())
        if None in found:
            raise RuntimeError(f"the program ended with {self.process.wait()}")
        return found

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()


class Page:
    """A puppet that is a page in Chromium, with the SDK's build for browsers."""

    def __init__(self, chromium, sdk):
        self.site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Empty)
        threading.Thread(target=self.site.serve_forever, daemon=True).start()
        self.browser = Browser(chromium)
        self.page = self.browser.open(f"http://127.0.0.1:{self.site.server_address[1]}/")
        for script in (sdk, HERE / "js" / "puppet.js"):
            self.page.evaluate(pathlib.Path(script).read_text() + "\n;undefined")
        self.page.evaluate("globalThis.puppet = makePuppet(Centrifuge, {}); undefined")

    def do(self, command):
        self.page.evaluate(f"puppet.perform({json.dumps(command)}); undefined")

    def events(self, seconds):
        return self.page.evaluate(f"puppet.told({seconds * 1000})")

    def close(self):
        self.browser.close()
        self.site.shutdown()


class Empty(http.server.BaseHTTPRequestHandler):
    """An empty page for every path."""

    def do_GET(self):
        body = b"<!doctype html><title>SDK</title>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass
