"""The catalogue: what can be ordered, declared in a file the operator edits, served and checked."""
