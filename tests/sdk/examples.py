#!/usr/bin/env python3
"""Runs the examples of docs/CLIENTS.md as they stand there, but for the server's address, until each prints its own hello.

    examples.py ADDRESS FOLDER LANGUAGE...

In FOLDER are js/node_modules and venv, as scripts/sdk.sh makes them; what is written goes below FOLDER/examples.
"""

import os
import pathlib
import re
import select
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "CLIENTS.md"
ADDRESS = "localhost:9001"
HELLO = b"hello"
GO_SDK = "github.com/centrifugal/centrifuge-go@v0.12.1"
# A build may take minutes, what is built seconds.
BUILD_PATIENCE_S = 900
PATIENCE_S = 60


def example(language):
    """The first code of that language on the page."""
    found = re.search(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert found and ADDRESS in found[1], f"{PAGE} has no example in {language}"
    return found[1]


def build(command, folder):
    subprocess.run(command, cwd=folder, check=True, timeout=BUILD_PATIENCE_S)


def javascript(code, folder):
    # Beside the packages that it imports.
    path = folder.parent.parent / "js" / "example.mjs"
    path.write_text(code)
    return ["node", "--require", str(ROOT / "tests" / "sdk" / "js" / "websocket.cjs"), str(path)]


def python(code, folder):
    path = folder / "example.py"
    path.write_text(code)
    return [str(folder.parent.parent / "venv" / "bin" / "python"), "-u", str(path)]


def go(code, folder):
    (folder / "main.go").write_text(code)
    if not (folder / "go.mod").exists():
        build(["go", "mod", "init", "example"], folder)
        build(["go", "get", GO_SDK], folder)
    build(["go", "build", "-o", "example", "."], folder)
    return [str(folder / "example")]


def rust(code, folder):
    package = ROOT / "tests" / "sdk" / "rust"
    shutil.copytree(package, folder, dirs_exist_ok=True)
    (folder / "examples").mkdir(exist_ok=True)
    (folder / "examples" / "page.rs").write_text(code)
    build(["cargo", "build", "--locked", "-q", "--example", "page"], folder)
    return [str(pathlib.Path(os.environ["CARGO_TARGET_DIR"]) / "debug" / "examples" / "page")]


# The language of the code on the page, and what makes a command of it.
LANGUAGES = {"js": javascript, "python": python, "go": go, "rust": rust}


def says_hello(command):
    """Whether a program prints a hello in time; it is ended then."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    deadline, printed = time.monotonic() + PATIENCE_S, b""
    try:
        while HELLO not in printed:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([process.stdout], [], [], left)[0]:
                return False
            data = os.read(process.stdout.fileno(), 1 << 16)
            if not data:
                return False
            printed += data
        return True
    finally:
        process.kill()
        process.wait()


def main():
    address, kept, *languages = sys.argv[1:]
    failed = []
    for language in languages:
        folder = pathlib.Path(kept).absolute() / "examples" / language
        folder.mkdir(parents=True, exist_ok=True)
        command = LANGUAGES[language](example(language).replace(ADDRESS, address), folder)
        if says_hello(command):
            print(f"passed  {language}", flush=True)
        else:
            failed.append(language)
            print(f"FAILED  {language}", flush=True)
    sys.exit(1 if failed or not languages else 0)


main()
