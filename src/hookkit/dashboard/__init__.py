"""What ``hookkit serve`` shows: sessions as traces and telemetry tell of them, as pages and as an API.

Starlette, Jinja2 and DuckDB come with the extra ``serve``, and nothing but ``hookkit serve`` imports this room.
"""
