#!/usr/bin/env python3
"""Reads a run of fanload with parsers that are not its own, and compares what they find.

    read_back.py STEM SCHEMA      reads STEM.json, .hgrm, .completion.hgrm, .hlog, .csv, .prom and .xml

The JSON is checked against its schema (PyPI jsonschema), the interval log is read by PyPI hdrhistogram, the figures
for Prometheus by PyPI prometheus_client and the JUnit report by an XML parser; the percentiles and counts of all forms
must be the same.
"""

import collections
import csv
import json
import pathlib
import sys
import xml.etree.ElementTree

import jsonschema
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from prometheus_client.parser import text_string_to_metric_families

QUANTILES = {"p50": 50, "p75": 75, "p90": 90, "p95": 95, "p99": 99, "p99_9": 99.9, "p99_99": 99.99, "max": 100}


class Wide(HdrHistogram):
    """fanload's bounds: 1 us to 280,000 s in nanoseconds, three digits."""

    def __init__(self):
        super().__init__(1_000, 280_000_000_000_000, 3)


def read_log(path):
    """The sum of each series and its number of intervals."""
    sums, numbers = collections.defaultdict(Wide), collections.Counter()
    reader = HistogramLogReader(str(path), Wide())
    while (interval := reader.get_next_interval_histogram()) is not None:
        series = interval.get_tag() or ""
        sums[series].add(interval)
        numbers[series] += 1
    return sums, numbers


def read_table(path):
    """Rows of a percentile table: value, percentile, count; and its footer."""
    rows, footer = [], []
    for line in path.read_text().splitlines()[2:]:
        (footer if line.startswith("#") else rows).append(line)
    return [[float(cell) for cell in row.split()] for row in rows], footer


def same(what, ours, theirs):
    """Fails when two counts differ."""
    if ours != theirs:
        sys.exit(f"{what}: {ours} and {theirs} differ")


def agrees(what, value, percent, histogram, slack=0.0):
    """Fails when a value is not the other parser's at that percentile. Implementations round the rank to one
    side or the other, so one value further up or down will do, and a bucket of three digits is 0.1% wide."""
    step = 100 / histogram.get_total_count()
    low = histogram.get_value_at_percentile(max(percent - step, 0))
    high = histogram.get_value_at_percentile(min(percent + step, 100))
    if not low * 0.999 - slack <= value <= high * 1.001 + slack:
        sys.exit(f"{what}: {value} is not between {low} and {high}")


def read_figures(path, run):
    """Compares the figures for Prometheus with the JSON; gives how many there are."""
    samples = {}
    for family in text_string_to_metric_families(path.read_text()):
        for sample in family.samples:
            samples[sample.name, *sorted(sample.labels.values())] = sample.value
    counts, delivery = run["counts"], run["latency"]["delivery_ns"]
    same("messages sent, for Prometheus", counts["sent"], samples["fanload_messages_sent_total",])
    same("deliveries, for Prometheus", counts["delivered"], samples["fanload_deliveries_total",])
    same("latencies, for Prometheus", delivery["count"], samples["fanload_delivery_latency_seconds_count",])
    p99 = samples["fanload_delivery_latency_seconds", "0.99"]
    if abs(p99 - delivery["p99"] / 1e9) > 1e-9:
        sys.exit(f"p99 for Prometheus: {p99}")
    return len(samples)


def read_cases(path, run):
    """Checks that the JUnit report has a case for each part of the objective, and its sums are right."""
    suite = xml.etree.ElementTree.parse(path).getroot().find("testsuite")
    cases = suite.findall("testcase")
    same("test cases", int(suite.get("tests")), len(cases))
    for outcome in ("failure", "error", "skipped"):
        attribute = outcome if outcome == "skipped" else f"{outcome}s"
        same(f"test cases with {outcome}", int(suite.get(attribute)), len(suite.findall(f"testcase/{outcome}")))
    parts = [case.get("name") for case in cases if case.get("classname") == "fanload.slo"]
    same("parts of the objective", parts, [part["demand"] for part in run["slo"]["parts"]])
    return len(cases)


def main():
    stem, schema = sys.argv[1], json.loads(pathlib.Path(sys.argv[2]).read_text())
    run = json.loads(pathlib.Path(stem + ".json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(run, schema)
    sums, numbers = read_log(stem + ".hlog")
    checked = 0
    for series in ("delivery", "completion", "spread", "upgrade"):
        figures = run["latency"][f"{series}_ns"]
        same(f"{series}: count in the log", figures["count"], sums[series].get_total_count())
        blob = HdrHistogram.decode(figures["histogram"])
        for name, percent in QUANTILES.items():
            agrees(f"{series} {name} of the log", figures[name], percent, sums[series])
            agrees(f"{series} {name} of the blob", figures[name], percent, blob)
            checked += 2
        suffix = ".hgrm" if series == "delivery" else f".{series}.hgrm"
        rows, footer = read_table(pathlib.Path(stem + suffix))
        assert len(footer) == 3 and all(len(row) == 4 for row in rows[:-1]) and len(rows[-1]) == 3, suffix
        same(f"{series}: count in the table", figures["count"], int(rows[-1][2]))
        for value, quantile, *_ in rows:
            # The table has three decimals of a millisecond, which is 1 us.
            agrees(f"{series} {quantile} of the table", value * 1e6, quantile * 100, sums[series], 1_000)
            checked += 1
    with open(stem + ".csv", newline="") as file:
        delivered = sum(int(row["delivered"]) for row in csv.DictReader(file))
    same("deliveries in the table", run["counts"]["delivered"], delivered)
    figures, cases = read_figures(pathlib.Path(stem + ".prom"), run), read_cases(pathlib.Path(stem + ".xml"), run)
    print(f"read back: {checked} percentiles agree, {dict(numbers)} intervals, {figures} figures, {cases} test cases")


main()
