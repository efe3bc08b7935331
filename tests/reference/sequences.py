"""The table of what is played: tests/reference/sequences/*.txt, read into steps.

A line of such a file is one of these; `a` stands for any connection of the sequence, by one letter.

    # ...                   a comment
    server: NAME            which configuration the sequences below are played to: tests/reference/NAME.toml
    === TITLE               a sequence begins
    only: json | protobuf   it makes sense in this encoding only
    pings: told             pings are not answered as they come, but told
    T1: [ALGORITHM [KEY]] {claims}      a token, put in for $T1; times may be "+60" from now; KEY instead of the right one
    a: {command}            one frame; lines below it that begin with + are further commands in the same frame
    a text: ...             a text frame with just this, in which \\n is a line's end and \\xHH a byte
    a bytes: 0a 00          a binary frame
    a open: PATH            connects there; more lines that begin with + are headers
    a ping: ...             a ping of WebSocket
    a leave:                the client goes, without a word
    wait 3                  gives the server that many seconds

In all of them ~ is a name that no other run has, $epoch the last epoch told, $a the client id of connection a, and $x300 a word
of 300 letters. A connection that was not opened is, with the first frame, at the usual path in the encoding of the run.
"""

import dataclasses
import json
import pathlib
import re

FOLDER = pathlib.Path(__file__).parent / "sequences"
STEP = re.compile(r"([a-e])(?: (text|bytes|open|ping|leave))?:(?: (.*))?$")
TOKEN = re.compile(r"(T\d+): (?:(\w+) )?(?:(\S+) )?(\{.*\})$")


@dataclasses.dataclass
class Step:
    """Something one connection does, or a wait of `seconds`."""

    letter: str = ""
    kind: str = ""
    lines: list = dataclasses.field(default_factory=list)
    seconds: float = 0


@dataclasses.dataclass
class Token:
    """How a token is to be made."""

    claims: str
    algorithm: str
    key: str


@dataclasses.dataclass
class Sequence:
    """One sequence of the table."""

    name: str
    server: str
    encodings: tuple = ("json", "protobuf")
    answers_pings: bool = True
    tokens: dict = dataclasses.field(default_factory=dict)
    steps: list = dataclasses.field(default_factory=list)

    def channels(self):
        """Which channel each command is about that begins or ends something there, by connection and id."""
        found = {}
        for step in self.steps:
            for line in step.lines if step.kind == "commands" else []:
                command = json.loads(line)
                for name in ("subscribe", "unsubscribe"):
                    if isinstance(command.get(name), dict) and "id" in command:
                        found.setdefault(step.letter, {})[command["id"]] = command[name].get("channel", "")
        return found


def read_all():
    """All sequences, in order."""
    found = []
    for path in sorted(FOLDER.glob("*.txt")):
        found += read(path)
    names = [each.name for each in found]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise SystemExit(f"there are two sequences of the name {twice.pop()}")
    return found


def read(path):
    """The sequences of one file."""
    server, found = "main", []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        line = line.rstrip()
        try:
            if not line or line.startswith("#"):
                continue
            if line.startswith("server: "):
                server = line[8:]
            elif line.startswith("=== "):
                found.append(Sequence(f"{path.stem}: {line[4:]}", server))
            else:
                add(found[-1], line)
        except (ValueError, IndexError) as error:
            raise SystemExit(f"{path}:{number}: {error}: {line}") from None
    return found


def add(sequence, line):
    """Adds what a line says to its sequence."""
    if line.startswith("only: "):
        sequence.encodings = (line[6:],)
    elif line == "pings: told":
        sequence.answers_pings = False
    elif line.startswith("wait "):
        sequence.steps.append(Step(seconds=float(line[5:])))
    elif line.startswith("+ "):
        sequence.steps[-1].lines.append(line[2:])
    elif found := TOKEN.match(line):
        name, algorithm, key, claims = found.groups()
        json.loads(claims)
        sequence.tokens[name] = Token(claims, algorithm or "HS256", key or "")
    elif found := STEP.match(line):
        letter, kind, rest = found.groups()
        sequence.steps.append(Step(letter, kind or "commands", [rest] if rest else []))
    else:
        raise ValueError("no line of a sequence")
