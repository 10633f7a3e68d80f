"""Deciding where tasks go: the plug-in contract, the optimistic loop, and the built-in schedulers.

A scheduler is a class with one method, ``place`` (`interface`). `loop` turns its answers into transactions, reads what
became of them and tries again; it is a pure state machine, and `runner` is the thin shell that drives it. `testing` is
the kit with which a plug-in proves itself against the real core. Nothing here knows a wire or a disk.
"""
