"""What holds for every agent: the same tests over each contract, driven by its recorded session."""
