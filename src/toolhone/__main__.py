"""`python -m toolhone`."""

from toolhone.cli import main

if __name__ == "__main__":
    main()
