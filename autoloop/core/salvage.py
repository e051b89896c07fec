"""What became of the tables of a damaged database, in words."""

from collections.abc import Mapping
from typing import Any

from autoloop.core.words import Words


def told_of(tables: Mapping[str, Mapping[str, Any]]) -> Words:
    """For each damaged table the rows that were read, came from the good copy, and are lost."""
    damaged = {name: told for name, told in tables.items() if told["damaged"]}
    if not damaged:
        return Words(
            en=f"all rows of all {len(tables)} tables can be read",
            zh=f"全部 {len(tables)} 个表的所有行均可读取",
        )
    rows = [(name, told, told["lost"]) for name, told in sorted(damaged.items())]
    return Words(
        en="; ".join(
            f"{name}: {told['readable']} rows read, {told['from_backup']} from the last good copy, "
            + ("unknown how many lost" if lost is None else f"{lost} lost")
            for name, told, lost in rows
        ),
        zh="；".join(
            f"{name}：读出 {told['readable']} 行，取自最近正常副本 {told['from_backup']} 行，"
            + ("丢失行数未知" if lost is None else f"丢失 {lost} 行")
            for name, told, lost in rows
        ),
    )
