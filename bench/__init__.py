"""Benchmarks anyone can run: `python -m bench` prints one table of ratios, each taken within one run."""
