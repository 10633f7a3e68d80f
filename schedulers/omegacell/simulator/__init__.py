"""The lab: a cell in virtual time, under one seed, with the real judge, the real loop and the real schedulers.

Rules: no clock but the agenda's, no randomness but what follows from the seed, nothing asynchronous. A simulation reads
its workload before it begins and writes nothing. What the public Omega simulator does wrong stands in `compat` and
nowhere else.
"""
