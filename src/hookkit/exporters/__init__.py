"""Trails and traces in the formats of others."""
