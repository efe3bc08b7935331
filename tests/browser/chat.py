#!/usr/bin/env python3
"""The chat page in a real browser against the real server.

Goal: two people chat in real time, each sees the other come and go and never themselves, nothing
breaks the content security policy, and a page whose server dies comes back by itself.

    tests/browser/chat.py target/debug/fanring [--screenshot docs/chat.png] [--chromium PATH]
"""

import argparse
import itertools
import json
import pathlib
import re
import select
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from cdp import PATIENCE_S, Browser  # noqa: E402
from subpath import Proxy  # noqa: E402

START_PATIENCE_S = 120
ONLINE = "document.querySelector('#state').dataset.state === 'online'"
OFFLINE = "document.querySelector('#state').dataset.state !== 'online'"


class Server:
    """`fanring serve`, killed and started again at will."""

    def __init__(self, binary, *options):
        self.binary, self.options, self.port, self.process = binary, options, 0, None

    def start(self):
        command = [self.binary, "serve", "--listen", f"127.0.0.1:{self.port}", *self.options]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        log = b""
        deadline = time.monotonic() + START_PATIENCE_S
        while not (found := re.search(rb"127\.0\.0\.1:([1-9]\d*)", log)):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.process.stderr], [], [], left)[0]:
                raise TimeoutError(f"the server never said where it listens:\n{log.decode()}")
            data = self.process.stderr.read1(4096)
            if not data:
                raise RuntimeError(f"the server did not start:\n{log.decode()}")
            log += data
        self.port = int(found[1])

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stderr.close()

    def url(self, path="/"):
        return f"http://127.0.0.1:{self.port}{path}"


def texts(kind):
    """JavaScript for the texts of all entries of one kind."""
    return (f"[...document.querySelectorAll('#log [data-kind={kind}]')]"
            ".map((entry) => (entry.querySelector('.words') ?? entry).textContent)")


def shows(kind, text):
    return f"{texts(kind)}.some((shown) => shown.includes({json.dumps(text)}))"


def members(count):
    return f"document.querySelector('#members').textContent === '{count}'"


def introduce(page, name):
    page.evaluate("document.querySelector('#name').focus()")
    page.insert(name)
    page.press("Enter", text="\r")
    assert page.evaluate("document.activeElement.id") == "text", "Enter leads to the message"


def say(page, text):
    page.evaluate("document.querySelector('#text').focus()")
    page.insert(text)
    page.press("Enter", text="\r")


def say_until_heard(speaker, listener, text):
    """Says it again when the listener was just lost and came back: what is sent in between is missed."""
    deadline = time.monotonic() + PATIENCE_S
    for number in itertools.count():
        said = f"{text} ({number})"
        listener.wait(ONLINE)
        speaker.wait(ONLINE)
        say(speaker, said)
        # Either it comes, or the listener goes offline first.
        listener.wait(f"({shows('other', said)}) || ({OFFLINE})")
        if listener.evaluate(shows("other", said)):
            return
        assert time.monotonic() < deadline, f"never heard: {text}"


def check_chat(server, browser):
    """Joins, messages, own messages set apart, counts, leaves."""
    first = browser.open(server.url())
    first.wait(ONLINE)
    first.wait(members(1))
    introduce(first, "Ada")
    second = browser.open(server.url())
    second.wait(ONLINE)
    introduce(second, "Grace")
    first.wait(shows("notice", "joined"))
    first.wait(members(2))
    second.wait(members(2))
    assert second.evaluate(f"{texts('notice')}.length") == 0, "nobody sees their own join"

    say(first, "Hello <b>Grace</b> & all")
    second.wait(shows("other", "Hello <b>Grace</b> & all"))
    assert second.evaluate("document.querySelector('#log .author').textContent") == "Ada"
    say(second, "Hi Ada")
    first.wait(shows("other", "Hi Ada"))
    for page, own, other in ((first, "Hello", "Hi Ada"), (second, "Hi Ada", "Hello")):
        assert page.evaluate(f"{texts('own')}.length") == 1
        assert page.evaluate(f"{texts('other')}.length") == 1
        assert page.evaluate(shows("own", own)) and page.evaluate(shows("other", other))
    assert first.evaluate("document.querySelector('#log b')") is None, "text stays text"
    assert first.evaluate("document.querySelector('#text').value") == ""

    first.evaluate("document.querySelector('#text').focus()")
    first.insert("two")
    first.press("Enter", modifiers=8, text="\r")
    first.insert("lines")
    first.press("Enter", text="\r")
    second.wait(shows("other", "two\nlines"))

    second.close()
    first.wait(shows("notice", "left"))
    first.wait(members(1))
    assert first.evaluate(f"{texts('notice')}.length") == 2, "one join, one leave, not its own"
    assert first.complaints == [], first.complaints
    return first


def check_rooms(server, browser, outsider):
    """A room of its own by ?room=, with a name that needs encoding."""
    pages = [browser.open(server.url("/?room=t%C3%A9a%20time")) for _ in range(2)]
    for page in pages:
        page.wait(ONLINE)
        page.wait(members(2))
    say(pages[0], "only here")
    pages[1].wait(shows("other", "only here"))
    assert not outsider.evaluate(shows("other", "only here"))
    assert outsider.evaluate(members(1))
    for page in pages:
        assert page.complaints == [], page.complaints
        page.close()


def check_reconnect(server, browser, first):
    """SIGKILL, text typed while offline, the same port again, chat again."""
    second = browser.open(server.url())
    second.wait(ONLINE)
    server.kill()
    for page in (first, second):
        page.wait(OFFLINE)
    say(first, "typed while offline")
    assert first.evaluate("document.querySelector('#send').disabled")
    assert not first.evaluate(shows("own", "typed while offline"))
    first.wait("document.querySelector('#hint').textContent.includes('Not sent')")
    server.start()
    for page in (first, second):
        page.wait(ONLINE)
        page.wait(members(2))
    assert first.evaluate("document.querySelector('#text').value") == "typed while offline"
    first.evaluate("document.querySelector('#text').focus()")
    first.press("Enter", text="\r")
    second.wait(shows("other", "typed while offline"))
    say(second, "and back again")
    first.wait(shows("other", "and back again"))
    for page in (first, second):
        refused = ("ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "WebSocket connection to")
        unexpected = [text for text in page.complaints if not any(part in text for part in refused)]
        assert unexpected == [], unexpected
        page.close()


def check_silence(server, browser):
    """A server that still has its connections but says nothing counts as gone, and what it did
    not confirm is marked."""
    first = browser.open(server.url("/?room=silence"))
    second = browser.open(server.url("/?room=silence"))
    for page in (first, second):
        page.wait(ONLINE)
        page.wait(members(2))
    say(first, "confirmed")
    second.wait(shows("other", "confirmed"))
    # The answer to the first one's message was on its way before this one was even sent.
    say(second, "seen")
    first.wait(shows("other", "seen"))
    server.process.send_signal(signal.SIGSTOP)
    try:
        say(first, "into the void")
        first.wait(OFFLINE)
    finally:
        server.process.send_signal(signal.SIGCONT)
    unsent = "[...document.querySelectorAll('.unsent')].map((note) => note.parentNode.innerText)"
    marked = first.evaluate(unsent)
    assert len(marked) == 1 and "into the void" in marked[0], marked
    say_until_heard(first, second, "heard again")
    for page in (first, second):
        page.close()


def check_unheard_answers(server, browser):
    """A page that could not listen for longer than an answer may take, because it was busy or the
    machine asleep, still hears the answer that came meanwhile, and its connection stays."""
    page = browser.open(server.url("/?room=unheard"))
    other = browser.open(server.url("/?room=unheard"))
    for each in (page, other):
        each.wait(ONLINE)
        each.wait(members(2))
    page.evaluate("window.states = []; new MutationObserver(() => states.push(state.dataset.state))"
                  ".observe(state, { attributes: true }); true")
    page.evaluate("document.querySelector('#text').focus()")
    page.insert("before a long task")
    # The question leaves, and its answer waits, while nothing of the page runs.
    page.evaluate("document.querySelector('#form').requestSubmit();"
                  "const end = performance.now() + 10_000; while (performance.now() < end); true")
    page.wait("awaiting.length === 0")

    server.process.send_signal(signal.SIGSTOP)
    say(page, "before a sleep")
    assert page.evaluate("awaiting.length") == 1
    browser.signal(signal.SIGSTOP)
    server.process.send_signal(signal.SIGCONT)
    # Longer than the page waits for an answer: that is what is tried here. When a machine wakes up,
    # its network is the last to.
    time.sleep(9)
    browser.signal(signal.SIGCONT, spare="NetworkService")
    page.evaluate("new Promise((done) => setTimeout(done, 1000))")
    browser.signal(signal.SIGCONT)
    page.wait("awaiting.length === 0")

    say(page, "after")
    other.wait(shows("other", "after"))
    assert page.evaluate("states") == [], page.evaluate("states")
    assert page.evaluate("document.querySelectorAll('.unsent').length") == 0
    for each in (page, other):
        each.close()


def check_refusals(server, browser):
    """What will be refused tomorrow too is told in the server's words, and not tried again and again."""
    proxy = Proxy(server.port, host="upstream")
    cases = [
        (server.url("/?room=a%2Fb"), "no /"),
        (server.url("/?room=" + "x" * 256), "1 to 255 bytes"),
        (server.url("/?room=.."), "No browser can ask"),
        (proxy.url(), "--allow-origin"),
    ]
    shown = "!document.querySelector('#refusal').hidden"
    for url, sentence in cases:
        page = browser.open(url)
        page.wait(shown)
        assert sentence in page.evaluate("document.querySelector('#refusal-text').textContent")
        # Nothing is planned, and neither a network nor an eye that comes back changes that.
        page.evaluate("window.dispatchEvent(new Event('online'));"
                      "document.dispatchEvent(new Event('visibilitychange')); true")
        assert page.evaluate("socket") is None and page.evaluate(shown), url
        # Looked at before the next refusal can come.
        assert not page.evaluate(f"document.querySelector('#again').click(); {shown}")
        page.wait(shown)
        page.close()
    proxy.close()


def check_long_message(server, browser):
    """Who wrote more than the server takes is told so, and is back at once."""
    small = Server(server.binary, "--message-bytes-max", "100")
    small.start()
    page = browser.open(small.url())
    page.wait(ONLINE)
    say(page, "x" * 200)
    page.wait(shows("notice", "too long for this server"))
    page.wait(ONLINE)
    say(page, "short")
    page.wait("awaiting.length === 0")
    page.close()
    small.kill()


def check_subpath(server, browser):
    """Behind a proxy that shows it below a path, the page finds its files, its room and its way back."""
    proxy = Proxy(server.port)
    inside = browser.open(proxy.url("?room=sub%20path"))
    outside = browser.open(server.url("/?room=sub%20path"))
    for page in (inside, outside):
        page.wait(ONLINE)
        page.wait(members(2))
    say(inside, "from below")
    outside.wait(shows("other", "from below"))
    say(outside, "from above")
    inside.wait(shows("other", "from above"))
    style = inside.evaluate("getComputedStyle(document.querySelector('.app')).display")
    assert style == "flex", "the style sheet is there"
    assert inside.complaints == [], inside.complaints
    lost = browser.open(proxy.url("no/such/page"))
    assert lost.evaluate("document.querySelector('a').href") == proxy.url()
    for page in (inside, outside, lost):
        page.close()
    proxy.close()


def take_screenshot(server, browser, path):
    """A conversation as the reader of the documentation should see it."""
    options = {"width": 900, "height": 720, "scale": 1.5}
    pages = {name: browser.open(server.url("/?room=lighthouse"), **options)
             for name in ("Ada", "Grace", "Linus")}
    for name, page in pages.items():
        page.wait(ONLINE)
        introduce(page, name)
    lines = [
        ("Grace", "Morning! Is the new fan-out box up?"),
        ("Ada", "Since six. One append per message, and everyone reads from the same log."),
        ("Linus", "How does it look when somebody stops reading?"),
        ("Ada", "Their cursor just gets old. Nobody else notices."),
        ("Grace", "So a slow phone costs nothing but patience!"),
        ("Linus", "I like it. I will bring the load generator after lunch."),
        ("Ada", "Deal."),
    ]
    for index, (name, line) in enumerate(lines, 1):
        say(pages[name], line)
        for page in pages.values():
            page.wait(f"document.querySelectorAll('#log .words').length === {index}")
    pages["Ada"].wait(members(3))
    pages["Ada"].evaluate("document.querySelector('#text').focus()")
    pages["Ada"].screenshot(path)
    for page in pages.values():
        page.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    parser.add_argument("--screenshot", metavar="FILE")
    options = parser.parse_args()
    server = Server(options.binary)
    server.start()
    browser = None
    try:
        browser = Browser(options.chromium)
        passed = 0
        first = check_chat(server, browser)
        passed += 1
        check_rooms(server, browser, first)
        passed += 1
        if options.screenshot:
            take_screenshot(server, browser, options.screenshot)
        check_subpath(server, browser)
        passed += 1
        check_long_message(server, browser)
        passed += 1
        check_refusals(server, browser)
        passed += 1
        check_unheard_answers(server, browser)
        passed += 1
        check_silence(server, browser)
        passed += 1
        check_reconnect(server, browser, first)
        passed += 1
        print(f"browser: {passed} passed, 0 failed")
    finally:
        if browser:
            browser.close()
        server.kill()


if __name__ == "__main__":
    main()
