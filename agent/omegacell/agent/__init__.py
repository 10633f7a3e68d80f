"""The hands of the cell on a machine: supervisor, drivers, health, logs, and the pure reconciliation of wanted state.

Read `messages` (what agent and API say to each other), then `reconcile` (what the agent decides), then `daemon` (the
shell that does it). Nothing is imported here: the supervisor is a portion of this package and its import graph is part
of its memory.
"""
