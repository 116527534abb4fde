"""hookkit, the flight recorder for coding agents."""

__version__ = "0.1.0"
