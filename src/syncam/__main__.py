"""`python -m syncam` is the same as the `syncam` command."""

from syncam.cli import main

if __name__ == "__main__":
    main()
