#!/usr/bin/env python3
"""Writes docs/fanload.schema.json from the structs in loadgen/src/results/model.rs and below.

    scripts/fanload-schema.py [--check]

With --check nothing is written; the exit code is 1 when the file is not up to date.
"""

import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODEL = ROOT / "loadgen/src/results/model.rs"
PARTS = ROOT / "loadgen/src/results/model"
SCHEMA = ROOT / "docs/fanload.schema.json"
DISTRIBUTION = ["min", "mean", "stdev", "p50", "p75", "p90", "p95", "p99", "p99_9", "p99_99", "p99_999", "max"]
PLAIN = {
    "u16": {"type": "integer", "minimum": 0, "maximum": 65535},
    "u32": {"type": "integer", "minimum": 0},
    "u64": {"type": "integer", "minimum": 0},
    "f64": {"type": "number"},
    "i64": {"type": "integer"},
    "bool": {"type": "boolean"},
    "String": {"type": "string"},
}


def reference(name):
    """The schema of a Rust type."""
    if name in PLAIN:
        return dict(PLAIN[name])
    if inner := re.fullmatch(r"Option<(.+)>", name):
        return {"anyOf": [reference(inner[1]), {"type": "null"}]}
    if inner := re.fullmatch(r"Vec<(.+)>", name):
        return {"type": "array", "items": reference(inner[1])}
    if inner := re.fullmatch(r"BTreeMap<\w+, (.+)>", name):
        return {"type": "object", "additionalProperties": reference(inner[1])}
    return {"$ref": f"#/$defs/{name}"}


def document(lines):
    """The text of doc comments, without links to Rust items."""
    text = " ".join(line.strip().removeprefix("///").strip() for line in lines)
    return re.sub(r"\[`(?:\w+::)*(\w+)`\]", r"`\1`", text)


def structs(source):
    """Yields name, text, and fields as (name, type, text) of each serialised struct that is part of the results."""
    types = " ".join(re.findall(r"^    pub\(crate\) \w+: (.+),", source, re.M))
    pattern = r"((?:///[^\n]*\n)+)#\[derive\(([^)]*)\)\]\npub\(crate\) struct (\w+) \{\n(.*?)\n\}"
    for text, derives, name, body in re.findall(pattern, source, re.S):
        is_used = name == "Results" or re.search(rf"\b{name}\b", types)
        if "Serialize" not in derives or not is_used:
            continue
        fields = re.findall(r"((?:    ///.*\n)+)(?:    #\[.*\]\n)*    pub\(crate\) (\w+): (.+),", body + "\n")
        assert len(fields) == body.count("pub(crate)"), name
        yield name, document(text.splitlines()), [(n, t, document(d.splitlines())) for d, n, t in fields]


def schema(source):
    """The whole schema."""
    definitions = {}
    for name, text, fields in structs(source):
        definitions[name] = {
            "description": text,
            "type": "object",
            "properties": {n: {**reference(t), "description": d} for n, t, d in fields},
            "required": [n for n, _, _ in fields],
            "additionalProperties": False,
        }
    phases = re.search(r"enum PhaseName \{(.*?)\n\}", source, re.S)[1]
    names = [re.sub(r"(?<!^)(?=[A-Z])", "_", n).lower() for n in re.findall(r"^    (\w+),", phases, re.M)]
    definitions["PhaseName"] = {"enum": names}
    definitions["Distribution"] = {
        "description": "Times in nanoseconds. `histogram` is HdrHistogram's V2 deflate encoding as base64.",
        "type": "object",
        "properties": {
            "count": reference("u64"),
            **{name: {"type": "number", "minimum": 0} for name in DISTRIBUTION},
            "histogram": {"type": "string", "pattern": "^HISTFAAA"},
        },
        "required": ["count", *DISTRIBUTION, "histogram"],
        "additionalProperties": False,
    }
    definitions["Verdict"] = {
        "description": "Whether the figures mean anything: `invalid` when the generator was the limit.",
        "type": "object",
        "properties": {
            "status": {"enum": ["valid", "invalid"]},
            "why": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["status"],
        "additionalProperties": False,
    }
    version = int(re.search(r"SCHEMA_VERSION: u32 = (\d+)", source)[1])
    root = definitions.pop("Results")
    root["properties"]["schema_version"]["const"] = version
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Results of a run of fanload",
        **root,
        "$defs": dict(sorted(definitions.items())),
    }


def main():
    sources = [MODEL, *sorted(PARTS.glob("*.rs"))]
    text = json.dumps(schema("\n".join(source.read_text() for source in sources)), indent=2) + "\n"
    if "--check" not in sys.argv:
        SCHEMA.write_text(text)
    elif not SCHEMA.exists() or SCHEMA.read_text() != text:
        sys.exit(f"{SCHEMA} is not up to date: run {sys.argv[0]}")


main()
