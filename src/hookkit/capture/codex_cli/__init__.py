"""Reads the rollouts of Codex CLI."""
