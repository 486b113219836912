"""Secrets and addresses that are known by their own form, whatever stands around them.

Every pattern is linear: it starts with a literal or at the edge of a run, and what it must see to
match stands within a bounded distance of that start. Only the last part of a match may be unbounded.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from toolhone.redaction.likeness import is_reference, looks_random, word_set
from toolhone.redaction.placeholders import Kind, Span


@dataclass(frozen=True, slots=True)
class _Shape:
    """One form. The whole match goes, or its group `secret` if there is one."""

    kind: Kind
    triggers: tuple[str, ...]
    """The pattern is only tried on text that contains one of these."""
    pattern: re.Pattern[str]
    condition: Callable[[re.Match[str]], bool] | None = None

    @property
    def group(self) -> str | int:
        """The group of the match that goes."""
        return "secret" if "secret" in self.pattern.groupindex else 0


# The edge of a word. A letter that ends an escape (`\n`, `%20`, `\u003d`) is no part of the next word.
EDGE = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt])|(?<=%[0-9A-Fa-f]{2})|(?<=\\u[0-9A-Fa-f]{4}))"

_ALNUM, _WORD, _DOTTED = r"[A-Za-z0-9]", r"[\w-]", r"(?:[\w-]|[.+/=~](?=[\w+/=-]))"


def _prefixed(kind: Kind, prefixes: str, tail: str, *, least: int, edge: str = "") -> _Shape:
    """Tokens of vendors that mark theirs. Without `edge` the prefix counts inside a word too."""
    names = tuple(prefixes.split())
    alternatives = "|".join(map(re.escape, names))
    return _Shape(kind, names, re.compile(f"{edge}(?:{alternatives}){tail}{{{least},}}"))


def _has_digit(match: re.Match[str]) -> bool:
    return any(map(str.isdecimal, match[0]))


def _is_random(match: re.Match[str]) -> bool:
    return looks_random(match[0])


def _is_basic(match: re.Match[str]) -> bool:
    encoded = match["secret"].rstrip("=")
    try:
        decoded = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        return False
    return b":" in decoded and all(byte >= 32 for byte in decoded)


_BASE64_RUN = re.compile(r"[A-Za-z0-9+/]{16}")


def _has_body(match: re.Match[str]) -> bool:
    # Code and documentation name the header alone.
    return _BASE64_RUN.search(match["body"]) is not None


def _is_userinfo(match: re.Match[str]) -> bool:
    return not is_reference(match["secret"])


# `docker run mysql -p3306:3306`
_PORTS = re.compile(r"[\d.:]*\d:\d{1,5}(?:/\w{3})?")


def _is_argument(match: re.Match[str]) -> bool:
    secret = match["secret"]
    if is_reference(secret) or secret.lower() in ("password", "passwd", "pass"):
        return False
    return _PORTS.fullmatch(secret) is None


# What stands here before an @ is a password or a token, and what follows is its host.
_USERINFO = re.compile(r"://(?:[^\s/\"'<>,;|()]*:[^\s/\"'<>,;|()]*)?\Z")

# `ssh deploy@build` names a login.
_REMOTE = re.compile(r"(?<![\w-])(?:ssh|scp|sftp|rsync|mosh)[ ][^\n|;&]{0,80}\Z")

# `q @ k.transpose(` without its spaces.
_PRODUCT = re.compile(r"@(?:\w{1,2}|self)\.\w+\(")

_NOT_TOP_LEVEL = word_set("service socket timer mount slice scope png jpg jpeg svg gif webp tgz")


def _is_mail(match: re.Match[str]) -> bool:
    before = _USERINFO.search(match.string, max(0, match.start() - 256), match.start())
    if before and (len(before[0]) > len("://") or looks_random(match["local"])):
        return False
    if _PRODUCT.match(match.string, match.end("local")):
        return False
    if _REMOTE.search(match.string, max(0, match.start() - 96), match.start()):
        return False
    # `git@host:path` is a remote, `getty@tty1.service` a unit.
    return match["local"] != "git" and match["top"].lower() not in _NOT_TOP_LEVEL


# Shapes that can be short, or broken by spaces.
_SHAPES = (
    _Shape(
        Kind.PRIVATE_KEY,
        ("PRIVATE KEY",),
        re.compile(
            r"-----BEGIN[ A-Z0-9]{0,40}PRIVATE KEY(?: BLOCK)?-----"
            r"(?P<body>(?:[A-Za-z0-9+/=\s\\:,.()]|-(?!----)|[\"'][\s+\\]*+[\"'])*+)"
            r"(?:-----END[ A-Z0-9]{0,40}PRIVATE KEY(?: BLOCK)?-----)?"
        ),
        _has_body,
    ),
    _Shape(
        Kind.PRIVATE_KEY,
        ("Private-Lines:",),
        re.compile(r"Private-Lines: ?\d{1,4}(?P<secret>(?:\s|\\[nr]|[A-Za-z0-9+/=]{16,}+)++)"),
    ),
    _Shape(
        Kind.AUTHORIZATION,
        ("earer ", "EARER "),
        re.compile(r"(?i:bearer)[ ]{1,4}(?P<secret>[\w.~+/-]{16,}+=*)"),
        _has_digit,
    ),
    _Shape(
        Kind.AUTHORIZATION,
        ("asic ", "ASIC "),
        re.compile(r"(?i:basic)[ ]{1,4}(?P<secret>[A-Za-z0-9+/_-]{8,}+=*)"),
        _is_basic,
    ),
    _Shape(
        Kind.PASSWORD,
        ("://",),
        # Up to the last @ before the path. A host with a port or a digest (`repo:tag@sha256:`) is none.
        re.compile(
            r"://[^\s:/@\"'<>\[]{0,256}:(?!\d{1,5}[/?#])(?P<secret>[^\s/\"'<>]{1,512})@(?!sha\d)(?=[\w\[-])"
        ),
        _is_userinfo,
    ),
    _Shape(
        Kind.PASSWORD,
        ("://",),
        # A password with an unescaped slash; the user's dot would make it a host.
        re.compile(
            r"://[^\s:/@\"'<>\[.]{0,256}:(?!\d{1,5}[/?#])"
            r"(?P<secret>[^\s/@\"'<>]{1,256}/[^\s@\"'<>]{1,256})@(?!sha\d)(?=[\w\[-])"
        ),
        _is_userinfo,
    ),
    _Shape(
        Kind.TOKEN,
        ("://",),
        re.compile(r"://(?P<secret>[\w~.-]{16,512})(?::[^\s/@\"'<>]{0,512})?@(?=[\w\[-])"),
        lambda match: looks_random(match["secret"]),
    ),
    _Shape(
        Kind.PASSWORD,
        ("-u ", "--user "),
        re.compile(r"(?<![\w-])(?:-u|--user) [\"']?[\w.@-]{1,64}:(?P<secret>[^\s\"':/]{3,512})"),
        lambda match: not is_reference(match["secret"]) and not match["secret"].isdecimal(),
    ),
    _Shape(
        Kind.PASSWORD,
        ("mysql", "mariadb"),
        # Their -p takes a password only without a space.
        re.compile(
            r"(?<![\w-])(?:mysql|mariadb-?)(?:dump|admin|import|show|check|slap|pump|sh|binlog)?+(?:\.exe)?+"
            r"(?:(?:[ \t]|\\\r?\n)++(?!-p[^\s])[^\s|;&]{1,200}+){0,30}+"
            r"(?:[ \t]|\\\r?\n)++-p[\"']?(?P<secret>[^\s\"'|;&<>]{1,512})"
        ),
        _is_argument,
    ),
    _Shape(
        Kind.PASSWORD,
        (":5432:", ":*:", ":5433:", ":6432:"),
        # A line of a .pgpass file: host, port, database, user and password.
        re.compile(
            r"(?:^|[\r\n]|\\n)[\w.*-]{1,255}:(?:\d{4}|\*):(?:[A-Za-z]\w{0,63}|\*):[\w.-]{1,64}:"
            r"(?P<secret>[^\s:\\]{6,512})(?=\s|\\n|$)"
        ),
    ),
    _Shape(
        Kind.PASSWORD,
        ("redis-cli ",),
        re.compile(
            r"(?<![\w-])redis-cli(?:[ \t]++(?!-a[ ])[^\s|;&]{1,200}+){0,20}+[ \t]++-a[ ][\"']?"
            r"(?P<secret>[^\s\"'|;&<>]{1,512})"
        ),
        _is_argument,
    ),
    _Shape(
        Kind.PASSWORD,
        ("sshpass ",),
        re.compile(r"(?<![\w-])sshpass[ \t]{1,4}-p[ \t]{0,4}[\"']?(?P<secret>[^\s\"'|;&<>]{1,512})"),
        _is_argument,
    ),
    _Shape(
        Kind.PASSWORD,
        (" login ",),
        re.compile(
            r"(?<![\w-])(?:docker|podman|buildah|skopeo|helm|oras|crane|az|oc)(?:[ ]registry)? login"
            r"(?:[ \t]++(?!-p[ =])[^\s|;&]{1,200}+){0,12}+[ \t]++-p[ =][\"']?(?P<secret>[^\s\"'|;&<>]{1,512})"
        ),
        _is_argument,
    ),
    _Shape(
        Kind.PASSWORD,
        ("openssl ",),
        re.compile(
            r"(?<![\w-])openssl(?:[ \t]++(?!-k[ ]|-pass)[^\s|;&]{1,200}+){1,20}+"
            r"[ \t]++(?:-k[ ]|-pass(?:in|out)?[ ]pass:)[\"']?(?P<secret>[^\s\"'|;&<>]{1,512})"
        ),
        _is_argument,
    ),
    _Shape(
        Kind.PASSWORD,
        ("/user:", "/USER:"),
        re.compile(
            r"(?i:net use)[ ][^\n|;&]{0,200}?(?i:/user):[^\s|;&]{1,100}[ ]"
            r"(?P<secret>[^\s/|;&<>][^\s|;&<>]{0,511})"
        ),
        _is_argument,
    ),
    _Shape(
        Kind.PASSWORD,
        ("IDENTIFIED BY ", "identified by ", "PASSWORD '", "password '", "PASSWORD FOR "),
        # SQL: `IDENTIFIED BY '…'`, `WITH PASSWORD '…'`.
        re.compile(
            r"(?i:identified[ ]by|(?:with|set|encrypted)[ ]password|set[ ]password[ ]for[ ]\S{1,80}[ ]=)"
            r"[ ]{1,3}'(?P<secret>[^'\n]{1,512})'"
        ),
        _is_argument,
    ),
    _Shape(
        Kind.EMAIL,
        ("@", "%40"),
        re.compile(
            r"(?:(?<=\\[nrt])|(?<![\w.+-])(?!(?<=\\)[nrt]))(?P<local>[\w.+-]++)(?:@|%40)"
            r"(?!\d(?:\.\d)?x\.)(?!\d+\.\d)(?:[\w-]{1,63}\.){1,8}(?P<top>[^\W\d_]{2,24}+)"
        ),
        _is_mail,
    ),
)


# Marked tokens of vendors, in one piece.
_TOKENS = (
    _Shape(
        Kind.JWT,
        ("eyJ",),
        re.compile(EDGE + r"eyJ[\w-]{8,4096}\.[\w-]{4,}+(?:\.[\w-]*+){0,3}"),
    ),
    _prefixed(Kind.TOKEN, "ghp_ gho_ ghu_ ghs_ ghr_", _ALNUM, least=30),
    _prefixed(
        Kind.TOKEN,
        """github_pat_ glpat- gldt- glrt- glptt- glcbt- xoxb- xoxp- xoxa- xoxe- xoxr- xoxs- xoxo-
        xoxc- xoxd- xapp- dckr_pat_ rubygems_ figd_ ntn_ ATBB lin_api_ PMAK- pypi-AgE
        pscale_tkn_ pscale_pw_ pscale_oauth_ sntrys_ sntryu_ tskey- sbp_ sb_secret_ CFPAT- nfp_
        vercel_blob_rw_ dp.pt. dp.st. fm2_ lsv2_pt_ lsv2_sk_ pat-na1- pat-eu1- AKCp8 CLOJARS_""",
        _WORD,
        least=16,
    ),
    _Shape(
        Kind.TOKEN,
        ("ATATT3x", "ATCTT3x"),
        re.compile(r"AT[AC]TT3x[\w-]{16,}+(?:=[0-9A-Z]{8})?"),
    ),
    # Ours: `thk_ID_SECRET`. The id alone is a name and stays.
    _Shape(Kind.TOKEN, ("thk_",), re.compile(r"thk_[a-z0-9]{10}_[A-Za-z0-9]{16,}")),
    _prefixed(Kind.TOKEN, "npm_ hf_ r8_ dapi oy2", _ALNUM, least=30, edge=EDGE),
    _prefixed(Kind.TOKEN, "dop_v1_ doo_v1_ dor_v1_", _ALNUM, least=32),
    _prefixed(Kind.TOKEN, "hvs. hvb. hvr. ya29. ops_eyJ EAACEdEose0cBA", _DOTTED, least=20, edge=EDGE),
    _prefixed(Kind.API_KEY, "sk-ant- sk-proj- sk-or- sk-svcacct- sk-admin-", _WORD, least=16),
    _prefixed(
        Kind.API_KEY,
        """sk_live_ sk_test_ rk_live_ rk_test_ shpat_ shpca_ shppa_ shpss_ gsk_ xai- pplx- pcsk_ glsa_
        glc_ figo_ NRAK- HRKU- fw_ nvapi- ABSK AGE-SECRET-KEY-1""",
        r"[A-Za-z0-9_-]",
        least=16,
        edge=EDGE,
    ),
    _prefixed(Kind.API_KEY, "AIza", _WORD, least=30),
    _prefixed(Kind.API_KEY, "SG.", _DOTTED, least=32, edge=EDGE),
    _prefixed(Kind.SECRET, "whsec_ GOCSPX- sq0csp- sq0atp-", r"[\w+/=-]", least=20),
    _Shape(
        Kind.API_KEY,
        ("sk-live-", "sk-test-"),
        re.compile(EDGE + r"sk-(?:live|test)-[A-Za-z0-9_]{16,}"),
        _has_digit,
    ),
    _Shape(Kind.API_KEY, ("sk-",), re.compile(EDGE + r"sk-[\w-]{20,}"), _is_random),
    _Shape(Kind.API_KEY, ("SK", "AC"), re.compile(EDGE + r"(?:SK|AC)[0-9a-f]{32,}")),
    _Shape(
        Kind.API_KEY,
        ("AKIA", "ASIA", "ABIA", "ACCA"),
        # The secret half often stands right behind its id, as in a CSV file of credentials.
        re.compile(r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16,}+(?:[\s,;:|\"']{1,6}[A-Za-z0-9/+]{40,})?"),
    ),
    _Shape(Kind.API_KEY, ("key-",), re.compile(EDGE + r"key-[0-9a-f]{32,}")),
    _Shape(Kind.API_KEY, ("-us",), re.compile(EDGE + r"[0-9a-f]{32}-us\d{1,2}")),
    _Shape(Kind.SECRET, ("Q~",), re.compile(r"[\w~.-]{3}\dQ~[\w~.-]{31,}")),
    _Shape(Kind.TOKEN, (":AA",), re.compile(r"(?<!\d)\d{8,10}:AA[\w-]{30,}")),
    _Shape(Kind.TOKEN, (".",), re.compile(r"[MNO][\w-]{22,27}\.[\w-]{6}\.[\w-]{27,}"), _has_digit),
    _Shape(
        Kind.TOKEN,
        ("hooks.slack.com/", "/api/webhooks/"),
        re.compile(
            r"(?:hooks\.slack\.com/(?:services|workflows)/|/api/webhooks/\d{1,24}/)(?P<secret>[\w/-]{16,})"
        ),
    ),
)

# Every token holds a run of this length; prose and short values do not.
_RUN = re.compile(r"[\w.~+/=:-]{16,}")

# From rare to common, roughly.
_RARITY = "@%~'_=:/-.0123456789QXZJKVWYUHGBFPDMLNCORSTAIEqzxjkvbpygfwmucldrhsnioate "


class _Index:
    """Finds the shapes that can be in a text with few comparisons.

    Triggers are sorted by the rarest character in them; if a text lacks it, it has none of those triggers.
    """

    def __init__(self, shapes: tuple[_Shape, ...]) -> None:
        self._shapes = shapes
        groups: dict[str, list[tuple[str, int]]] = {}
        for place, shape in enumerate(shapes):
            for trigger in shape.triggers:
                groups.setdefault(min(trigger, key=_RARITY.find), []).append((trigger, place))
        self._groups = tuple(groups.items())

    def find(self, text: str, triggering: str) -> Iterator[Span]:
        """The shapes in `text`, of those with a trigger in `triggering`."""
        places: set[int] = set()
        for sign, triggers in self._groups:
            if sign in triggering:
                for trigger, place in triggers:
                    if trigger in triggering:
                        places.add(place)
        for place in places:
            shape = self._shapes[place]
            for match in shape.pattern.finditer(text):
                if shape.condition is None or shape.condition(match):
                    yield Span(*match.span(shape.group), shape.kind)


_ANYWHERE = _Index(_SHAPES)
_IN_RUNS = _Index(_TOKENS)


def find_shapes(text: str) -> Iterator[Span]:
    """Everything in `text` that is known by its form."""
    yield from _ANYWHERE.find(text, text)
    if runs := _RUN.findall(text):
        yield from _IN_RUNS.find(text, " ".join(runs))
