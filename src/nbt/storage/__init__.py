"""Files that are whole or absent, and files of strangers; knows nothing of what is in them."""
