"""Jobs and sub jobs as the wire shows them."""
