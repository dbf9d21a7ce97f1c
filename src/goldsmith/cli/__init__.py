"""The command line: serve, worker, init, doctor, config."""
