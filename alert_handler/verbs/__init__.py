"""The verbs of the command line: one file per verb, imported only when it is asked for.

`serve` must stay small in memory, so it does not carry what the others need.
"""
