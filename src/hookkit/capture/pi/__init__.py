"""Reads the sessions of Pi."""
