"""Wire formats of model APIs: one module each, all answering from the same abstract script."""
