"""How well policies pack, and what that costs in conflicts: Borg's cell compaction on a workload fixed in the tree.

`workload` makes the cell and its jobs, `packing` places them from scratch, `compaction` finds how few machines do,
`bound` says how few could possibly do, `herding` counts conflicts. Everything follows from seeds; nothing here reads a
clock. ``docs/packing.md`` shows what came out.
"""
