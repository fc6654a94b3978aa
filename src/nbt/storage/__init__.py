"""Files that are complete or absent, and files from unknown sources. This knows nothing about their
content."""
