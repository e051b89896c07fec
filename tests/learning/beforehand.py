"""Writes what is made of the tables beforehand; see `autoloop.core.reading.beforehand`.

make signatures
"""

from pathlib import Path

from autoloop.core.reading.beforehand import beforehand

TARGET = Path(__file__).parents[2] / "autoloop/core/reading/signatures/beforehand"


if __name__ == "__main__":
    for name, contents in list(beforehand()):
        (TARGET / name).write_text(contents, encoding="utf-8")
