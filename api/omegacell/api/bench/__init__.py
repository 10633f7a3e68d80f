"""`omega bench ...`: what this machine can do, measured with the real parts.

Rules: every answer names the machine it was measured on; durable figures are refused on a file system in memory;
inputs have fixed seeds; a measurement that did not reach its end gives no figure.
"""
