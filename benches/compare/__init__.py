"""Runs the comparison of benches/peers, and writes docs/BENCHMARKS.md from what it found.

The way of a figure: cells -> runs -> summary -> bars, tables, plots -> report.
"""
