"""Telemetry that agents send (OpenTelemetry, OTLP): received, kept in files, and read with DuckDB.

What comes in becomes rows (``rows``) with a column for everything that people ask for. Rows are appended to a journal
of JSON lines, which is synced before a request is acknowledged (``journal``); journals that are done become Parquet
files (``segments``). ``reader`` asks these files, in any process, also while a server writes them.
"""
