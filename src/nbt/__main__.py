"""`python -m nbt` is the command `nbt`."""

from nbt.cli import main

if __name__ == "__main__":
    main()
