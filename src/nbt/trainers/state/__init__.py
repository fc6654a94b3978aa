"""The state of a trainer: its names and shapes, how it is set, and what a file must have."""
