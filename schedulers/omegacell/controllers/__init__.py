"""The other proposers: they watch a cell and propose what is due.

Each is a pure state machine, ``step`` from what was folded and the time that is handed in to groups of commands, one
transaction each. None reads a clock, none appends, and none proposes what the cell would refuse again and again.
Whether something really is due is judged by the core, from `Cell.elapsed` alone.
"""
