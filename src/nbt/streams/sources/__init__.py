"""Bytes: of files, pipes, compressed files, logs that are rotated."""
