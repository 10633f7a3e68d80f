"""A whole simulation inside compiled code: the decisions, draws and outcomes of `simulator.simulation`, over columns.

The production path is the truth; this is its fast twin for the built-in schedulers, proved equal on every field that a
run yields (``tests/simulator/test_compiled.py``). What it does not know, custom schedulers and offers, stays on the
production path. Docs: ``docs/lab.md``, ``docs/decisions/0015-whole-runs-compiled.md``.
"""
