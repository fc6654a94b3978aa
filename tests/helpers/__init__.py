"""What several test files share. pyproject.toml has tests/ on the path: `from helpers import …`."""
