"""Random sessions whose every line has a known author, held against what the product says."""
