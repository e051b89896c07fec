"""What a text only tells of trouble: comments of source code, commits, release notes, tables,
expressions."""

import re
from collections.abc import Callable

from autoloop.core.reading.excerpt import Excerpt

_COMMENT = ("// ", "/// ", "/* ", "/** ", "* @return ", "* @param ", "* @throws ")
_SHOWN = re.compile(
    r"^\s*/[/*]{1,2}\s*(?:[=-]>|[\w.]{0,60}(?:error|exception|panic|fatal)\b[ \w]{0,40}:"
    r"|(?:e\.?[gx]\.?:? )?\[?(?:\d{4}[-/]\d\d[-/]\d\d|\d\d-[a-z]{3}-\d{4})[t ]\d\d:"
    r"|(?:gives |throws )?(?:error )?exception in thread"
    r"|php (?:fatal |parse |recoverable )?(?:error|warning):"
    r"|\(\d{1,6},\d{1,6}\): (?:error|warning) "
    r"|[①-⑩ ]{0,3}error \d{3,5}:"
    r"|access to (?:fetch|xmlhttprequest|script|font|image) at '"
    r"|报错(?:信息)?(?:如下)?[:：]|报错 ?[a-z]"
    r"|(?:执行|运行|输出|打印)结果|(?:output|prints?|result):"
    r"|[\"'`](?:[\w.]{0,60}(?:error|exception)"
    r"|e(?:noent|acces|perm|exist|mfile|nospc|rofs|pipe|addr\w+|conn\w+|timedout|notfound)): )"
)
"""A comment that shows what was printed, as people write it below their code."""

_COMMIT = re.compile(r"^(?:commit|提交) [0-9a-f]{7,40}\b")
_RELEASE = re.compile(
    r"^#{0,4} ?\[?v?\d{1,4}\.\d{1,3}(?:\.\d{1,4})?[a-z\d._+-]{0,20}(?:版本?)?\]?[ :(–-]{0,4}"
    r"(?:\d{4}-\d\d-\d\d)?\)?(?: ?(?:更新日志|变更日志|更新内容|changelog|release notes))?:?\s*$"
    r"|^#{0,4} ?(?:changelog|release notes|unreleased|更新日志|变更日志|\[unreleased\]):?\s*$"
)
_DOCUMENTED = re.compile(
    r"^\t{0,8}(?:  ){0,16} \*(?: |$)"
    r"(?!\s*(?:\*\*|\[?\d{4}-\d\d-\d\d[t ]\d\d:))(?!.*(?:\[ ?fail|exception in thread \"))"
)
"""A line within a comment of several lines, and none of what a start script of a system prints, nor
of a list in a list, which Markdown sets off by an even number of blanks."""

_PRINTED = re.compile(
    r"^\s*\*\s+[`'\"]?(?:[ewf] [\w.]{1,40}: )?(?:caused by: )?(?:[\w$]{1,60}\.){2,10}\w{0,60}"
    r"(?:error|exception): "
    r"|^\s*\*\s+[`'\"]?(?:[ewf] [\w.]{1,40}: )?(?:caused by: |level=(?:error|fatal|panic)\b)"
    r"|[` ](?:type|reference|range)error: "
)
"""What was printed, as people keep it in such a comment."""

_DEFINED = re.compile(r"^\s{0,20}create (?:table|type|view)\b")
_DEFINES = (" ", "\t", ")", "(", "--")
_RAISED = re.compile(
    r"^\s{0,20}(?:(?:public|export|abstract|final|internal|sealed|default) ){0,4}class \w{2,80}"
    r"(?:\(| extends | ?: ?)[\w.]{0,60}(?:exception|error)\b"
)
"""Where a class of exceptions is defined."""

_EXPRESSION = re.compile(r"\(\?(?:p<|:|i\))|\\[dws][+*{]|\[\^[^\]\n]{1,20}\][+*]")
_LITERAL = re.compile(r"^\s*(?:[\w.]{1,40} ?[=:(] ?){0,2}r?[\"'`/^]")
"""What a regular expression is written with; and a line that is one, or gives it a name.
What only holds one, such as "no route matches '^/cart/(?P<id>\\d+)$'", may complain of it."""

_STATUS = re.compile(r"^\s*\|\s*[`*]{0,2}[1-5]\d\d\b")
_STATUSES = 3
"""Rows from which on a table of statuses explains them."""

_ITEM = ("- ", "* ", "+ ", "#", "  ", "\t", "• ")

_NUMBER = re.compile(r"-?\d[\d.,]{0,20}%?")
_NUMBERS = 3
"""Numbers of a line from which on it is a row of a table."""


def quoted(excerpt: Excerpt) -> set[int]:
    """The numbers of the lines that only tell of trouble."""
    low = excerpt.low_lines
    found = {n for n, line in enumerate(low) if _is_comment(line)}
    if _COMMIT.match(low[0]):
        found |= _while(low, lambda line: bool(line[:1].isspace() or _COMMIT.match(line)))
    elif _RELEASE.match(low[0]):
        found |= _while(low, lambda line: line.startswith(_ITEM) or bool(_RELEASE.match(line)))
    elif _DEFINED.match(low[0]):
        ended = next((n for n, line in enumerate(low) if line.rstrip().endswith(";")), len(low))
        found |= _while(low[: ended + 1], lambda line: line.startswith(_DEFINES))
    elif _RAISED.match(low[0]):
        found |= _while(low, lambda line: line.startswith((" ", "\t", "}")))
    found |= {n for n, line in enumerate(low) if _is_expression(line)}
    statuses = {n: row[0] for n, line in enumerate(low) if (row := _STATUS.match(line))}
    if len(set(statuses.values())) >= _STATUSES:
        found |= statuses.keys()
    starred = [n for n, line in enumerate(low) if _DOCUMENTED.match(line)]
    if len(starred) > 1 and not any(_PRINTED.search(low[n]) for n in starred):
        found.update(starred)
    return found


def _is_comment(low: str) -> bool:
    return low.lstrip().startswith(_COMMENT) and not _SHOWN.match(low)


def _is_expression(low: str) -> bool:
    return bool(_LITERAL.match(low)) and len(_EXPRESSION.findall(low)) > 1


def _while(low: list[str], belongs: Callable[[str], bool]) -> set[int]:
    """The first lines that belong together; none if only the first does."""
    end = next((n for n, line in enumerate(low) if n and not belongs(line)), len(low))
    return set(range(end)) if end > 1 else set()


def in_table(low: list[str], number: int) -> bool:
    """Whether a line is a row of numbers, or the heading of one."""
    cells = low[number].split()
    return _row(cells[1:]) or (
        len(cells) > _NUMBERS and number + 1 < len(low) and _row(low[number + 1].split()[1:])
    )


def _row(cells: list[str]) -> bool:
    """Whether most of some cells are numbers."""
    numbers = sum(bool(_NUMBER.fullmatch(cell)) for cell in cells)
    return numbers >= _NUMBERS and numbers * 4 >= len(cells) * 3
