"""``python -m autoloop.platform``: run the platform in the foreground."""

import sys

from autoloop.core.errors import AutoloopError
from autoloop.platform.supervise import run
from autoloop.settings import settings


def main() -> int:
    """Exit 0 after a clean stop, 1 when it could not start."""
    try:
        run(settings(), lambda line: print(line, file=sys.stderr, flush=True))
    except AutoloopError as error:
        print(f"autoloop: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
