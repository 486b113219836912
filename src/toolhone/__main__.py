"""`python -m toolhone`."""

from toolhone.cli import script

if __name__ == "__main__":
    script()
