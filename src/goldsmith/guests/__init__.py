"""What goldsmith tells a guest, per family of operating systems."""
