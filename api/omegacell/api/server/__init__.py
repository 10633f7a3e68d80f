"""The API server: one process, one event loop, one replica of the cell.

Read `host` (folds the log, appends to it), then the services over it: `jobs`, `machines`, `figures_service`, and
`agents` with its pure half `links`.
"""
