"""Redaction: secrets are replaced before anything is stored, shown, mailed or sent to a model."""

import re

from autoloop.core.commands import without_secrets

HIDDEN = "‹hidden›"
_SECRET_KEY = re.compile(
    r"(?i)(pass(word|wd|phrase)?|pwd|secret|token|api[_-]?key|private|credential|auth|cookie|dsn|salt)"
)
_PLACE = re.compile(
    r"(?i)[\w.-]{1,80}\.(?:c|cc|cpp|cs|dart|erb|exs?|go|h|java|[cm]?jsx?|kt|lua|php|p[lmy]|rb|rs|scala"
    r"|sh|sql|swift|[cm]?tsx?|vb|vue):\d{1,6}(?::\d{1,6})?[:)\]]{0,2}"
)
"""A line of a file that is named like a secret."""


def _hidden(found: re.Match[str]) -> str:
    return found[0] if _PLACE.fullmatch(found[0]) else found[1] + HIDDEN


# Every repetition before a keyword has a bound: what is redacted may be written to hold us up.
_RULES = (
    # scheme://user:password@host
    (
        ("://",),
        re.compile(r"(\b[a-z][a-z0-9+.-]{0,30}://[^\s:/@]{0,200}:)[^\s@/]{1,500}(@)", re.I),
        rf"\1{HIDDEN}\2",
    ),
    # user:password@tcp(host:port), as drivers of Go read it; oracle:thin:user/password@host
    (
        ("@tcp(", "@unix("),
        re.compile(r"(?i)([\w.%+-]{1,60}:)\S{1,200}?(@(?:tcp|unix)\()"),
        rf"\1{HIDDEN}\2",
    ),
    (
        ("oracle:thin:",),
        re.compile(r"(?i)(oracle:thin:[^\s/@]{1,60}/)[^\s@]{1,200}(@)"),
        rf"\1{HIDDEN}\2",
    ),
    (
        ("bearer", "basic"),
        re.compile(r"(?i)\b(bearer|basic)\s{1,20}[a-z0-9._~+/=-]{8,}"),
        rf"\1 {HIDDEN}",
    ),
    (
        ("passw", "passphrase", "pwd", "secret", "token", "api", "cookie", "密码", "口令"),
        re.compile(
            r"(?i)((?:passw(?:or)?d|passphrase|pwd|secret|token|api[_-]?key|cookie|密码|口令)"
            r"[\w.-]{0,60}[\"']?\s{0,20}[=:：]\s{0,20})"
            r"(\"(?:[^\"\\]|\\.)*\"?|'(?:[^'\\]|\\.)*'?|[^\s,;&}\"']+)"
        ),
        _hidden,
    ),
    (
        ("pass", "pwd", "secret", "token", "key"),
        re.compile(
            r"(?i)(\s--?(?:[\w-]{0,40}(?:password|passphrase|passwd|requirepass|secret|token)"
            r"|(?:[\w-]{0,40}-)?(?:pass|pwd|api-?key))\s+)[^\s-]\S*"
        ),
        rf"\1{HIDDEN}",
    ),
    # positions in commands: rabbitmqctl add_user USER PASSWORD; sqlplus USER/PASSWORD@SERVICE
    (
        ("rabbitmqctl",),
        re.compile(
            r"(?i)(\brabbitmqctl (?:-\S{1,60} ){0,4}(?:add_user|change_password|authenticate_user)"
            r"\s{1,4}[^\s-]\S{0,80}\s{1,4})[^\s-]\S{0,200}"
        ),
        rf"\1{HIDDEN}",
    ),
    (
        ("sqlplus", "expdp", "impdp", "rman"),
        re.compile(
            r"(?i)(\b(?:sqlplus|expdp|impdp|rman)\b[^\n/@]{0,60}\s[\w.\"']{1,60}/)[^\s@/\"']{1,200}"
        ),
        rf"\1{HIDDEN}",
    ),
    (
        ("chpasswd",),
        re.compile(
            r"(?i)([\w.-]{1,60}:)[^\s\"'|:]{1,200}([\"']?\s{0,4}\|\s{0,4}(?:sudo )?chpasswd)"
        ),
        rf"\1{HIDDEN}\2",
    ),
    # statements and settings of databases
    (
        ("identified", "password '", 'password "'),
        re.compile(
            r"(?i)(\bidentified (?:(?:with|via) [\w.\"'`]{1,60} )?(?:by|using|as) (?:password )?"
            r"|\bpassword )(?:'[^'\n]{1,300}'|\"[^\"\n]{1,300}\")"
        ),
        rf"\1{HIDDEN}",
    ),
    (
        ("requirepass", "masterauth"),
        re.compile(r"(?im)((?:^\s{0,20}|\bset [\"']?)(?:requirepass|masterauth)[\"']?\s{1,20})\S+"),
        rf"\1{HIDDEN}",
    ),
    # keys and signatures in addresses
    (
        ("key=", "sig=", "signature="),
        re.compile(
            r"(?i)([?&](?:key|sig|sign(?:ature)?|x-amz-signature|api-?key|app-?key)=)[^\s&\"'#]{6,}"
        ),
        rf"\1{HIDDEN}",
    ),
    (
        ("hooks.slack.com", "/api/webhooks/"),
        re.compile(r"(?i)(hooks\.slack\.com/[\w-]{1,20}/|/api/webhooks/\d{1,30}/)[\w/-]{8,200}"),
        rf"\1{HIDDEN}",
    ),
    (
        ("eyj",),
        re.compile(r"(?<![\w-])eyJ[\w-]{8,4000}\.[\w-]{8,8000}\.[\w-]{0,2000}"),
        HIDDEN,
    ),  # JSON web token
    (
        ("-----begin",),
        re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]*KEY-----|\Z)"),
        HIDDEN,
    ),
    (("akia", "asia"), re.compile(r"\b(AKIA|ASIA)[0-9A-Z]{16}\b"), HIDDEN),
    (
        ("ghp", "gho", "ghs", "github_pat", "sk", "xox"),
        re.compile(r"\b(ghp|gho|ghs|github_pat|sk|xox[bap])[-_][A-Za-z0-9_-]{16,500}"),
        HIDDEN,
    ),
    (
        ("glpat-", "npm_", "aiza", "hf_", "dop_v1_", "shpat_", "pypi-"),
        re.compile(r"\b(glpat-|npm_|AIza|hf_|dop_v1_|shpat_|pypi-)[A-Za-z0-9_-]{20,500}"),
        HIDDEN,
    ),
    (("$2",), re.compile(r"\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}"), HIDDEN),  # bcrypt
)
"""Words of which one is in every text, in lower case, that a pattern matches; the pattern; what is
put in its place."""

_LIKE = (("\u0130", "i"), ("\u0131", "i"), ("\u017f", "s"), ("\u212a", "k"))
"""Letters that a pattern without regard to case takes for others."""

_CONTROL = re.compile(
    r"(?:\x1b\[|\x9b)[0-9:;<=>?]{0,64}[ -/]{0,8}[@-~]"
    r"|(?:\x1b[\]P^_X]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x80-\x9f]{0,4096}(?:\x07|\x1b\\|\x9c)"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
    r"|[\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def harmless(text: str) -> str:
    """*text* without what a terminal or a reader's eye is deceived by: escapes and other control
    characters but tab and newline, marks that turn the direction of writing, and invisible ones.
    What is no character becomes a question mark."""
    if text.isascii() and text.isprintable():
        return text
    return _CONTROL.sub("", text.encode("utf-8", "replace").decode())


def redact(text: str) -> str:
    """*text* without passwords, tokens, keys and what `harmless` takes out."""
    text = harmless(text)
    low = text.lower() if text.isascii() else _folded(text)
    for words, pattern, put in _RULES:
        if _holds(low, words):
            text = pattern.sub(put, text)
    return without_secrets(text, HIDDEN)


def _folded(text: str) -> str:
    """*text* in lower case, with letters of ASCII for those that a pattern takes for them."""
    for letter, plain in _LIKE:
        if letter in text:
            text = text.replace(letter, plain)
    return text.lower()


def _holds(low: str, words: tuple[str, ...]) -> bool:
    for word in words:  # noqa: SIM110 - any() takes twice as long, and every line is asked
        if word in low:
            return True
    return False


def redact_value(key: str, value: str) -> str:
    """The value of a setting as it may be shown: hidden when its name says it is a secret."""
    return HIDDEN if _SECRET_KEY.search(key) else redact(value)
