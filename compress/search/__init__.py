"""``--recipe auto``: a search over recipes for the smallest detector that keeps its word."""
