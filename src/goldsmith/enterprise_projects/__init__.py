"""Enterprise projects: what resources of an account are grouped by, across projects (contract: neighbours, 5)."""
