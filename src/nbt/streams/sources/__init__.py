"""Sources of bytes: files, pipes, compressed files, logs that are rotated."""
