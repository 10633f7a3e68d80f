"""`omega demo`: a whole cell for a minute, and checks of what it did.

Rules: it uses what users use (a real `omega up`, the client, job files) and nothing else; no switch in product code
makes anything in it happen; every step has a limit; it leaves nothing behind.
"""
