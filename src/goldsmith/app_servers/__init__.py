"""App servers: the machines themselves, as the contract names them."""
