"""Finds credentials that were left in the files of a folder."""

import math
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

SKIPPED_FOLDERS = frozenset(
    {
        *(".git", ".hg", ".svn", "node_modules", "__pycache__"),
        *(".mypy_cache", ".ruff_cache", ".pytest_cache", ".tox", ".nox"),
    }
)
LARGEST_FILE = 1_000_000

# Every pattern begins with a literal, which is what makes the search through a whole file fast, and has
# an end to everything it repeats. What stands before it is looked at afterwards.
KINDS = {
    kind: re.compile(pattern)
    for kind, pattern in {
        "private_key": r"-----BEGIN (?:[A-Z]{2,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----",
        "aws_access_key_id": r"A(?:KIA|SIA)[A-Z2-7]{16}\b",
        "github_token": r"gh[pousr]_[A-Za-z0-9]{36,255}\b",
        "github_fine_grained_token": r"github_pat_[A-Za-z0-9_]{50,255}\b",
        "gitlab_token": r"glpat-[A-Za-z0-9_-]{20,64}",
        "slack_token": r"xox[abeprs]-[A-Za-z0-9-]{10,200}",
        "slack_webhook": r"https://hooks\.slack\.com/services/[A-Za-z0-9/]{20,100}",
        "stripe_secret_key": r"sk_live_[A-Za-z0-9]{16,200}\b",
        "stripe_restricted_key": r"rk_live_[A-Za-z0-9]{16,200}\b",
        "google_api_key": r"AIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])",
        "anthropic_key": r"sk-ant-[A-Za-z0-9_-]{20,200}",
        "openai_key": r"sk-(?!ant-)(?:proj-|svcacct-)?[A-Za-z0-9_-]{32,200}",
        "huggingface_token": r"hf_[A-Za-z0-9]{34,64}\b",
        "npm_token": r"npm_[A-Za-z0-9]{36}\b",
        "pypi_token": r"pypi-[A-Za-z0-9_-]{50,300}",
        "sendgrid_key": r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}",
        "google_oauth_token": r"ya29\.[A-Za-z0-9_-]{20,400}",
        "stripe_webhook_secret": r"whsec_[A-Za-z0-9+/=]{24,100}",
        "groq_key": r"gsk_[A-Za-z0-9]{32,100}\b",
        "digitalocean_token": r"do[por]_v1_[a-f0-9]{64}\b",
        "shopify_token": r"shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{32}\b",
        "mailgun_key": r"key-[0-9a-f]{32}\b",
        "databricks_token": r"dapi[a-f0-9]{32}\b",
        "vault_token": r"hv[sbr]\.[A-Za-z0-9_-]{24,300}",
        "docker_token": r"dckr_pat_[A-Za-z0-9_-]{20,100}",
        "figma_token": r"figd_[A-Za-z0-9_-]{30,100}",
        "atlassian_token": r"AT[AC]TT3x[A-Za-z0-9_=-]{30,300}",
        "sentry_token": r"sntry[su]_[A-Za-z0-9_+/=-]{32,400}",
        "notion_token": r"ntn_[A-Za-z0-9]{40,60}\b",
        "tailscale_key": r"tskey-[a-z]{2,12}-[A-Za-z0-9-]{16,100}",
        "age_key": r"AGE-SECRET-KEY-1[A-Z0-9]{58}\b",
        "json_web_token": r"eyJ[A-Za-z0-9_-]{8,2000}\.eyJ[A-Za-z0-9_-]{8,4000}\.[A-Za-z0-9_-]{16,1000}",
        "password_in_url": r"://[^\s/:@\"'<>]{1,100}:(?P<secret>[^\s/:@\"'<>]{3,200})@",
    }.items()
}
_WORD = re.compile(r"passw|pwd|secret|token(?!i[sz])|api_?key|access_?key|private_?key|credential")
_ASSIGNED = re.compile(
    r"[A-Za-z0-9_.-]{2,40}[\"']?[ \t]{0,5}(?:=>|:=|[:=])[ \t]{0,5}"
    r"(?P<quote>[\"']?)(?P<secret>[^\s\"'`,;(){}\[\]<>]{8,200})(?P=quote)"
)
_PLACEHOLDER = re.compile(
    r"(?i)^[$%*]|\$\{|\{\{|example|changeme|placeholder|redacted|dummy|your[-_]|xxxx|\*\*\*\*"
    r"|^(?:none|null|true|false)"
)


_ASCII_LOWER = str.maketrans({chr(code): chr(code + 32) for code in range(65, 91)})


class ScanError(Exception):
    """The folder cannot be scanned."""


def scan_secrets(
    path: str,
    max_findings: int = 100,
    max_files: int = 20_000,
    report_progress: Callable[..., None] | None = None,
) -> dict[str, Any]:
    """Look through every text file under a folder, or through one file."""
    root = Path(path).expanduser().resolve()
    if not root.exists():
        raise ScanError(f"There is no file or folder {str(root)!r}.")
    findings: list[dict[str, Any]] = []
    skipped: Counter[str] = Counter()
    scanned = 0
    stopped_by: str | None = None
    for file in _files(root):
        if scanned + skipped.total() >= max_files:
            stopped_by = "max_files"
            break
        text = _text(file, skipped)
        if text is None:
            continue
        scanned += 1
        if report_progress is not None and scanned % 500 == 0:
            report_progress(scanned, None, f"{scanned} files, {len(findings)} findings")
        name = file.name if file == root else str(file.relative_to(root))
        findings += [{"file": name, **finding} for finding in find_secrets(text)]
        if len(findings) > max_findings:
            stopped_by = "max_findings"
            break
    return {
        "findings": findings[:max_findings],
        "files_scanned": scanned,
        "files_skipped": dict(skipped),
        "complete": stopped_by is None,
        "stopped_by": stopped_by,
    }


def find_secrets(text: str) -> list[dict[str, Any]]:
    """Every secret in a text: line, kind and a masked excerpt, never the secret itself."""
    found: dict[tuple[int, int], tuple[str, str]] = {}
    for kind, pattern in KINDS.items():
        for match in pattern.finditer(text):
            before = text[match.start() - 1 : match.start()]
            if kind == "private_key":
                found[match.span()] = (kind, match[0])
            elif kind == "password_in_url":
                if not _PLACEHOLDER.search(match["secret"]):
                    found[match.span()] = (kind, _masked(match["secret"]))
            elif not before.isalnum() and not _PLACEHOLDER.search(match[0]):
                found[match.span()] = (kind, _masked(match[0]))
    known = list(found)
    # Lower case may be longer than the text (İ), which would shift places; then only ASCII is lowered.
    lowered = text.lower() if text.isascii() else text.translate(_ASCII_LOWER)
    for word in _WORD.finditer(lowered):
        match = _ASSIGNED.match(text, word.start())
        if match is None or any(match.start() < end and start < match.end() for start, end in known):
            continue
        if _looks_random(match["secret"], quoted=bool(match["quote"])):
            found.setdefault(match.span("secret"), ("assigned_secret", _masked(match["secret"])))
    return [
        {"line": text.count("\n", 0, start) + 1, "kind": kind, "excerpt": excerpt}
        for (start, _), (kind, excerpt) in sorted(found.items())
    ]


def _files(root: Path) -> Iterator[Path]:
    """Files in a fixed order; links are not followed, so nothing outside is read."""
    if root.is_file():
        yield root
        return
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(
            name
            for name in folders
            if name not in SKIPPED_FOLDERS and not Path(folder, name, "pyvenv.cfg").is_file()
        )
        for name in sorted(names):
            file = Path(folder, name)
            if file.is_file() and not file.is_symlink():
                yield file


def _text(file: Path, skipped: Counter[str]) -> str | None:
    try:
        if file.stat().st_size > LARGEST_FILE:
            skipped["too_large"] += 1
            return None
        content = file.read_bytes()
    except OSError:
        skipped["unreadable"] += 1
        return None
    if b"\0" in content[:8192]:
        skipped["binary"] += 1
        return None
    return content.decode("utf-8", "replace")


def _looks_random(value: str, *, quoted: bool) -> bool:
    """Whether it is a value rather than a name, a path or a sample."""
    if _PLACEHOLDER.search(value):
        return False
    counts = Counter(value)
    entropy = -sum(count / len(value) * math.log2(count / len(value)) for count in counts.values())
    has_digit = any(character.isdigit() for character in value)
    # Without quotes it may be code, `token = parse_token2`, so it has to look more like noise.
    return entropy >= (2.5 if quoted else 3.5) and (has_digit or (quoted and not value.isidentifier()))


def _masked(secret: str) -> str:
    shown = secret[:4] if len(secret) >= 12 else ""
    return f"{shown}… ({len(secret)} characters)"
