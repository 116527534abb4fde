"""Reads the sessions of Qwen Code."""
