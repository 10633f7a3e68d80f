"""`omega up`: the processes of a cell on one machine, started, watched, restarted and stopped.

Rules: the supervisor decides nothing about the cell and holds nothing that is not in the state folder; it may die at
any moment: its children die with it, tasks do not, and the next `omega up` takes them over.
"""
