"""The options of the command line: one table of them, and what is made of their values."""
