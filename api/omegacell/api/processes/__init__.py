"""The programs that a cell consists of, each started with ``python -m omegacell.api.processes.<name>``.

`omega up` starts them all on one machine; across machines each is started by itself. Every one of them may be killed
at any time and started again. Errors are one line on standard error and an exit code (`omegacell.api.errors`).
"""
