"""Chromium driven over its DevTools protocol by a pair of pipes, with nothing but the standard
library: no port, no WebSocket, no package to install.

Protocol: https://chromedevtools.github.io/devtools-protocol/; with --remote-debugging-pipe the
browser reads commands on descriptor 3 and writes answers on 4, each ended by a zero byte.
"""

import base64
import json
import os
import pathlib
import select
import subprocess
import tempfile
import time

# Only a check that fails waits so long: a busy machine may need most of a minute to start a browser.
PATIENCE_S = 120
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-default-apps", "--disable-extensions", "--disable-dev-shm-usage",
    "--disable-background-timer-throttling", "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows", "--hide-scrollbars", "--lang=en-GB",
    "--remote-debugging-pipe",
]


class Browser:
    """A headless Chromium with a profile of its own."""

    def __init__(self, executable):
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        command_out, self.commands = os.pipe()
        self.answers, answer_in = os.pipe()
        # The shell puts the pipes where the browser wants them, and then is the browser.
        flags = [*FLAGS, f"--user-data-dir={self.profile.name}", "about:blank"]
        script = f'exec "$@" 3<&{command_out} 4>&{answer_in}'
        self.process = subprocess.Popen(
            ["sh", "-c", script, "sh", executable, *flags],
            pass_fds=(command_out, answer_in),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        os.close(command_out)
        os.close(answer_in)
        self.number = 0
        self.buffer = b""
        self.pages = {}

    def call(self, method, session=None, **params):
        """Sends a command and returns its result; events that come first go to their pages."""
        self.number += 1
        number = self.number
        message = {"id": number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + PATIENCE_S
        while True:
            answer = self._receive(deadline, method)
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            if answer.get("sessionId") in self.pages:
                self.pages[answer["sessionId"]].handle(answer["method"], answer["params"])

    def _receive(self, deadline, what):
        while b"\0" not in self.buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.answers], [], [], left)[0]:
                raise TimeoutError(f"the browser did not answer {what}")
            data = os.read(self.answers, 1 << 16)
            if not data:
                raise RuntimeError("the browser ended")
            self.buffer += data
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def open(self, url, width=900, height=720, scheme="light", scale=1, mobile=False):
        """A page with storage of its own, as in another browser."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context,
                           newWindow=True)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, target, session)
        self.pages[session] = page
        for domain in ("Page", "Runtime", "Log"):
            page.call(f"{domain}.enable")
        page.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=scale, mobile=mobile)
        page.call("Emulation.setFocusEmulationEnabled", enabled=True)
        page.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": scheme}])
        page.call("Page.navigate", url=url)
        page.wait("document.readyState === 'complete' && location.href !== 'about:blank'")
        return page

    def signal(self, number, spare="\0"):
        """Sends a signal to every process of the browser, but those with `spare` in their command."""
        waiting = [self.process.pid]
        while waiting:
            pid = waiting.pop()
            if spare not in pathlib.Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " "):
                os.kill(pid, number)
            for children in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
                waiting.extend(int(child) for child in children.read_text().split())

    def close(self):
        try:
            self.call("Browser.close")
            self.process.wait(10)
        except (RuntimeError, OSError, TimeoutError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        os.close(self.commands)
        os.close(self.answers)
        self.profile.cleanup()


class Page:
    """One page, and everything it complained about."""

    def __init__(self, browser, target, session):
        self.browser, self.target, self.session = browser, target, session
        self.complaints = []

    def handle(self, method, params):
        if method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(params["exceptionDetails"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.complaints.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
            self.complaints.append(json.dumps(params["args"]))

    def call(self, method, **params):
        return self.browser.call(method, self.session, **params)

    def evaluate(self, expression):
        """The value of a JavaScript expression; a promise is awaited."""
        result = self.call("Runtime.evaluate", expression=expression, awaitPromise=True,
                           returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def wait(self, condition, patience_s=PATIENCE_S):
        """Looks until the condition holds; fails with what the page shows instead."""
        deadline = time.monotonic() + patience_s
        while not self.evaluate(f"Boolean({condition})"):
            if time.monotonic() > deadline:
                shown = self.evaluate("document.body.innerText")
                raise AssertionError(f"never came true: {condition}\n{shown}")
            # Half a frame or more between two looks, spent in the page itself.
            self.evaluate("new Promise((done) => setTimeout(done, 25))")

    def insert(self, text):
        """Types text as a keyboard or input method does, into whatever has the focus."""
        self.call("Input.insertText", text=text)

    def press(self, key, code=None, modifiers=0, text=None):
        number = {"Enter": 13, "Tab": 9}[key]
        common = {"key": key, "code": code or key, "windowsVirtualKeyCode": number,
                  "modifiers": modifiers}
        extra = {"text": text} if text else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", **common, **extra)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def screenshot(self, path):
        data = self.call("Page.captureScreenshot", format="png")["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def close(self):
        self.browser.call("Target.closeTarget", targetId=self.target)
        del self.browser.pages[self.session]
