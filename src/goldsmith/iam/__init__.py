"""Who calls, and what they may do: tokens, signatures, users, projects, access keys."""
