"""Which call wrote a line: origins carried through the snapshots, and looked up for the lines of commits."""
