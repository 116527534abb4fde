"""The closed words of the event log. They are shared with every other program that reads the same ref."""

from __future__ import annotations

SCHEMA_VERSION = "0.9.0"  # of traces: the version of the package opentraces-schema
SECURITY_VERSION = "0.8.0"
ATTRIBUTION_VERSION = "0.1.0"

EVENT_TYPES = frozenset({
    "trace_step_window_opened",
    "trace_step_window_closed",
    "trace_snapshot_created",
    "trace_patch_created",
    "trace_session_closed",
    "trace_step_capture_incomplete",
    "git_anchor_created",
    "git_anchor_search_completed",
    "git_anchor_superseded",
    "filesystem_mutation_observed",
    "watcher_observation_attributed",
    "context_layer_captured",
    "context_node_observed",
    "context_compaction_observed",
    "context_tree_reconciled",
    "patch_survival_cached",
})  # fmt: skip

# What a capture could not see. Limitations of single hook lines (schemas/hook-line.schema.json) are not of this
# vocabulary: they go under the payload key ``hook_limitations``.
CAPTURE_LIMITATIONS = frozenset({
    "concurrent_writer_overlap",
    "unbounded_mutation_window",
    "background_process_overlap",
    "hook_only",
    "hook_payload_state_mismatch",
    "session_terminated_unexpectedly",
    "watcher_buffer_overflow",
    "incomplete_step_window_capture",
    "context_tree_not_captured",
    "transcript_modified",
})  # fmt: skip

# Who saw it. Open: a new writer may have a new method; these are the ones that mean something to readers.
CAPTURE_METHODS = frozenset({
    "hook_pretooluse",
    "hook_posttooluse",
    "hook_stop",
    "post_commit_correlator",
    "post_rewrite_hook",
    "watcher_backstop",
    "manual_attach",
    "doctor_probe",
    "reference_transaction_observer",
})  # fmt: skip

SNAPSHOT_ROLES = frozenset({"before", "after", "origin"})
ORIGIN_STEP = -1  # step_index of the snapshot of a session's first boundary

SKIP_REASONS = frozenset({"missing_pre_or_post_hook", "worktree_root_mismatch", "missing_valid_tree_id"})

# First argument of ``events.content_id`` for the objects that events name.
SNAPSHOT = "opentraces.trace_snapshot.v1"
TRACE_PATCH = "opentraces.trace_patch.v1"
GIT_ANCHOR = "opentraces.git_anchor.v1"
