"""The programs that a cell consists of; each is run as ``python -m omegacell.api.processes.NAME``.

They wire the rooms together (a log under a scheduler, a link under an agent) and hold no logic of their own.
`omegacell.api.up` starts them on one machine; a person may start each by hand.
"""
