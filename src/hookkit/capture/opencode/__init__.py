"""Reads the sessions of OpenCode."""
