"""The hook scripts, run the way an agent runs them."""
