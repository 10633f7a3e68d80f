"""The public Omega simulator, as it behaves: google/cluster-scheduler-simulator at HEAD b882f26, faults and all.

It is here so that the lab can be held against outcomes that nobody of this project wrote. Only the state of the cell,
its transactions and the schedulers' habits are of this package; agenda, workloads and figures are the lab's own. The
product has none of these faults, and nothing outside of this package may import from it but the command that compares.
"""
