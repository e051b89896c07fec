"""Structure rules: what the files of a release must be like, whoever wrote it."""

import ast
import configparser
import fnmatch
import json
import re
import tomllib
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import yaml
from pydantic import Field, model_validator

from autoloop.core.settings_file import parse_settings
from autoloop.core.words import Frozen

LARGEST = 1 << 20
"""Bytes of a file that a rule looks into; a larger one breaks the rule."""


class Rule(Frozen):
    """What every file of the code that matches *path* must be like; one at least must.

    *defines* are names: functions, classes and variables at the top of a Python file, keys of a
    settings file, dotted keys of JSON, TOML and YAML, ``section.key`` of INI.
    """

    path: str = Field(min_length=1)
    contains: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    defines: tuple[str, ...] = ()
    parses: bool = False

    @model_validator(mode="after")
    def _asks_something(self) -> "Rule":
        if not (self.contains or self.lacks or self.defines or self.parses):
            raise ValueError("says nothing: give contains, lacks, defines or parses = true")
        if (self.parses or self.defines) and "." not in self.path.rpartition("/")[2]:
            raise ValueError(f"'{self.path}' has no ending that says what it is")
        return self

    def matches(self, path: str) -> bool:
        """Whether *path*, relative to the code, is meant."""
        return fnmatch.fnmatchcase(path, self.path)


def wanted(rules: Iterable[Rule], paths: Iterable[str]) -> tuple[str, ...]:
    """The paths that any rule looks into."""
    asked = tuple(rules)
    return tuple(path for path in sorted(paths) if any(rule.matches(path) for rule in asked))


def broken(rules: Iterable[Rule], files: Mapping[str, bytes]) -> tuple[str, ...]:
    """One sentence for each breach, with the file's path relative to the code."""
    told: list[str] = []
    for rule in rules:
        paths = [path for path in sorted(files) if rule.matches(path)]
        if not paths:
            told.append(f"{rule.path}: there is no such file")
        for path in paths:
            told += [f"{path}: {what}" for what in _breaches(rule, path, files[path])]
    return tuple(dict.fromkeys(told))


def _breaches(rule: Rule, path: str, data: bytes) -> Iterable[str]:
    if len(data) > LARGEST:
        return [f"is larger than {LARGEST} bytes, and no rule can look into it"]
    text = data.decode("utf-8", "replace")
    told = [f"does not contain {part!r}" for part in rule.contains if part not in text]
    told += [f"contains {part!r}" for part in rule.lacks if part in text]
    if rule.parses or rule.defines:
        names = _names(path, text)
        if isinstance(names, str):
            return [*told, names]
        told += [f"does not define {name}" for name in rule.defines if name not in names]
    return told


def _names(path: str, text: str) -> frozenset[str] | str:
    """The names that the file defines, or why it cannot be read."""
    ending = path.rpartition(".")[2].lower()
    parse = PARSERS.get(ending)
    if parse is None:
        return f"a rule cannot read files that end in .{ending}"
    try:
        return frozenset(parse(text))
    except (SyntaxError, ValueError, yaml.YAMLError, configparser.Error) as error:
        line = getattr(error, "lineno", None)
        at = f"line {line}: " if line else ""
        return f"does not parse: {at}{' '.join(str(error).split())[:200]}"
    except (RecursionError, MemoryError):
        return "does not parse: it is nested too deeply"


def _python(text: str) -> Iterable[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the code's own style
        body = ast.parse(text).body
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (a.asname or a.name.partition(".")[0] for a in node.names)
        else:
            yield from _assigned(node)


def _assigned(node: ast.stmt) -> Iterable[str]:
    """The names on the left side, also of ``a = b = …`` and ``a, b = …``."""
    targets = getattr(node, "targets", None) or [getattr(node, "target", None)]
    for target in targets:
        if isinstance(target, ast.AST):
            yield from (n.id for n in ast.walk(target) if isinstance(n, ast.Name))


def _dotted(value: Any, before: str = "") -> Iterable[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield f"{before}{key}"
            yield from _dotted(inner, f"{before}{key}.")


def _ini(text: str) -> Iterable[str]:
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    for section in parser.sections():
        yield section
        yield from (f"{section}.{key}" for key in parser[section])


_SETTING = re.compile(r"\s*(#|;|$)|\s*(export\s+)?[A-Za-z_][A-Za-z0-9_]*\s*=")


def _settings(text: str) -> Iterable[str]:
    for number, line in enumerate(text.split("\n"), 1):
        if not _SETTING.match(line):
            raise ValueError(f"line {number} is no KEY=VALUE")
    return parse_settings(text)


PARSERS: Mapping[str, Callable[[str], Iterable[str]]] = {
    "py": _python,
    "json": lambda text: _dotted(json.loads(text)),
    "toml": lambda text: _dotted(tomllib.loads(text)),
    "yaml": lambda text: _dotted(yaml.safe_load(text)),
    "yml": lambda text: _dotted(yaml.safe_load(text)),
    "ini": _ini,
    "cfg": _ini,
    "env": _settings,
}
