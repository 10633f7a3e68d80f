"""What the commands do. Imported only when a command runs: these modules may import what is heavy."""
