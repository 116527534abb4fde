"""Traces on disk, one file each, and the index that makes them quick to list."""
