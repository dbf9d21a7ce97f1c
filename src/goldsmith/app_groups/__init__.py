"""App groups and who is authorised on them."""
