"""Secrets on command lines: the options by which programs take a password.

Command lines stand in logs: sudo and auditd write them, cron mails them, a shell keeps them, people
paste them. Which option holds a secret depends on the program; the manuals of each say so. The
environment and options that name a password are known everywhere (`autoloop/core/redact.py`).
"""

import re

_VALUE = r"(?:\"[^\"\n]{1,2000}\"|'[^'\n]{1,2000}'|[^\s\"'-][^\s\"']{0,2000})"
_BEFORE = r"(?<=[\s\"',\[])"
_APART, _NEAR = r"[\s\"',=]{1,4}", r"[\s\"',=]{0,4}"
_USER = r"[\"']?[^\s:\"'%/-][^\s:\"'%]{0,100}"
_WORD = r"[^\s\"']{1,200}\s{1,4}"


def _option(names: str, gap: str = _APART, then: str = "") -> re.Pattern[str]:
    return re.compile(rf"({_BEFORE}(?:{names}){gap}{then}){_VALUE}")


_OPTIONS = {
    r"ldap(?:search|add|modify|modrdn|delete|passwd|whoami|compare|exop)": _option("-w"),
    r"redis-(?:cli|benchmark)|valkey-cli": _option("-a"),
    r"(?:mysql|mariadb)(?:dump|admin|check|import|show|slap|binlog|pump|-\w{2,12})?|mycli"
    r"|xtrabackup|mariabackup": _option("-p", ""),
    r"sshpass|mongo(?:sh|dump|restore|export|import|stat|top)?|cqlsh|useradd|usermod|7z[ar]?|unrar"
    r"|rar|(?:docker|podman|nerdctl|buildah|helm registry|az|oc|cf|skopeo|oras) login": _option(
        "-p", _NEAR
    ),
    r"mosquitto_(?:pub|sub|rr)|sqlcmd|bcp|osql|tsql|ipmitool|zip|unzip": _option("-P", _NEAR),
    r"curl|https?": _option("-u|-U|-a|--user|--proxy-user|--auth", then=f"{_USER}:"),
    r"smbclient|rpcclient|smbget|net|winexe": _option("-U|--user", then=f"{_USER}%"),
    r"openssl": _option("-pass(?:in|out)?", then="pass:"),
    r"plink|pscp|psftp": _option("-pw"),
    r"snmp(?:walk|get|getnext|bulkget|bulkwalk|set|table|trap|status)": _option("-c|-A|-X"),
    r"htpasswd": _option(
        r"-\w{0,6}b\w{0,6}", rf"\s{{1,4}}(?:-\w{{1,8}}\s{{1,4}}){{0,4}}{_WORD}{_WORD}"
    ),
}
"""What is said before a secret, and the secret, by the names of the programs that take it there."""

_KINDS = tuple(_OPTIONS.values())
_PROGRAM = re.compile(
    r"(?<![\w.-])(?:" + "|".join(f"({names})" for names in _OPTIONS) + r")(?=[\s\"',])"
)
_HAS_OPTION = (" -", '"-', "'-", "\t-")


def without_secrets(text: str, hidden: str) -> str:
    """*text*, with *hidden* for what programs are given as passwords in its command lines."""
    if not any(each in text for each in _HAS_OPTION) or not _PROGRAM.search(text):
        return text
    return "\n".join(_line(line, hidden) for line in text.split("\n"))


def _line(line: str, hidden: str) -> str:
    """A line, without what follows the options of each program that it names.

    What belongs to which program is not asked: a name may be an argument of another one, and rather
    too much is hidden than too little.
    """
    for kind in {found.lastindex or 0 for found in _PROGRAM.finditer(line)}:
        line = _KINDS[kind - 1].sub(lambda each: each[1] + hidden, line)
    return line
