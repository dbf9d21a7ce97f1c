"""What goldsmith asks of a hypervisor (`port`) and the drivers that answer."""
