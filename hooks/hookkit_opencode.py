"""Run by the plugin of OpenCode at every event: JSON on stdin, one hook line appended, exit 0, nothing printed."""

import os
import sys

if __name__ == "__main__":
    try:
        # -I leaves this folder off the path; last, so that nothing in it can shadow the standard library.
        sys.path.append(os.path.dirname(os.path.abspath(__file__)))
        import hookkit_opencode_events
        import hookkit_recorder

        hookkit_recorder.record(hookkit_opencode_events)
    except BaseException:
        pass
    # Not sys.exit: no flushing, no handler, no teardown that could change the exit code or take time.
    os._exit(0)
