"""The real coding agents, run offline against a scripted model server on loopback."""

import pytest

# These assert on behalf of the tests; their failures are to be explained like a test's own.
pytest.register_assert_rewrite(f"{__name__}.evidence", f"{__name__}.twins")
