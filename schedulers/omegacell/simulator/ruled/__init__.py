"""Simulations of jobs as users submit them, with all their rules, in virtual time.

This package lives in one portion of the namespace ``omegacell``; its docstring is all there is here, so that importing
it costs nothing.
"""
