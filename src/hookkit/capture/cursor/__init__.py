"""Reads the sessions of Cursor."""
