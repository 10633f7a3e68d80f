"""The `omega` command: what a person types, and what it prints.

Rules: modules here import nothing heavy (grpc, numpy, pydantic, rich, yaml) at the top, because ``omega --help`` has
a budget of 200 ms; a command function only names its options and calls the module that does the work; what it prints
on stdout is the answer and nothing else, what goes wrong is one line on stderr and an exit code of `exits.Exit`.
"""
