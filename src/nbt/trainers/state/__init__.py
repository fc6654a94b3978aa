"""The state of a trainer: its names and shapes, how it is put back, what must be in a file."""
