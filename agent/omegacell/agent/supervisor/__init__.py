"""One small process per machine: it starts tasks, waits for them, and records how they ended.

It is a process of its own so that tasks survive the agent and are still somebody's children: whoever restarts the
agent finds them, with their real exit codes. It starts, waits, records, keeps the fencing deadline, and does nothing
else. Everything in this package but `client` runs inside it and imports only a few modules of the standard library:
its memory is paid on every machine.

Order of reading: `processes` (what /proc says), `records` (what survives ``kill -9``), `spawn` (fork and exec),
`attempts` (the life of an attempt), `server` (socket and loop), `client` (the other end, for the agent).
"""
