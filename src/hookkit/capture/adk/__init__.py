"""Reads the run logs of programs on Google's Agent Development Kit."""
