"""What the lines of any transcript are folded into: the steps of a trace."""
