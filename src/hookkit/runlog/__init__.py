"""The run log: what a program on an agent framework, or a pipeline, says of itself, one line of JSON an event."""
