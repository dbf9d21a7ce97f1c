"""App server groups: what an image server's machine belongs to."""
