"""``python -m autoloop``: the command line."""

from autoloop.doors.cli import main

if __name__ == "__main__":
    main()
