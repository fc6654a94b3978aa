"""Random trainers, random scripts, and what must hold whatever they are; `python -m fuzz`.

A seed makes a `Case` (cases.py): a trainer with choices of its own and a script of operations. The
checks (checks.py, against_oracle.py) follow it in several ways that must come to the same.
"""
