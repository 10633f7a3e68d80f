"""The cell and its one judge: pure, deterministic, integers only.

Everything that decides what a transaction does to a cell is here, and nothing else: no clock, no randomness, no
input or output, no floats. `apply.apply` is the only place where a cell changes; to understand Omegacell, read
`commands`, `outcomes`, `apply`, in this order.
"""
