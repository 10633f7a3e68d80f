"""What can run tasks: `exec_driver` with real processes, `simulated` with none."""
