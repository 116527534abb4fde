"""From what agents leave on disk to traces: parsers, hook lines, incremental ingest."""
