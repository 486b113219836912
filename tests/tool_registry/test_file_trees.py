"""scan_secrets and search_files: what they find, skip and never show."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from toolhone.exceptions import ToolFailedError
from toolhone.models import Json

CallTool: TypeAlias = Callable[..., Awaitable[Json]]

# Put together here, so that no scanner takes this file for a leak.
SECRETS = {
    "aws_access_key_id": "AKIA" + "Q3EGRBX7FKZ2MVLD",
    "github_token": "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8",
    "slack_token": "xoxb-" + "123456789012-abcdefGHIJKL",
    "stripe_secret_key": "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc",
    "google_api_key": "AIza" + "SyD4kL9xQ2vB7nM1cZ8wE5rT6yU3iO0pAsD",
    "openai_key": "sk-proj-" + "Zx9Cv8Bn7Mm6Aa5Ss4Dd3Ff2Gg1Hh0Jj9Kk8",
    "json_web_token": "eyJ" + "hbGciOiJIUzI1NiJ9.eyJ" + "zdWIiOiIxMjM0NTYifQ.c2lnbmF0dXJlLW9mLWl0",
    "private_key": "-----BEGIN RSA " + "PRIVATE KEY-----",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    for folder in ("src", ".git", "node_modules/x", "env"):
        (root / folder).mkdir(parents=True)
    (root / "src/app.py").write_text("import os\n\nNeedle = 1  # needle\nprint('Hay')\n")
    (root / "env/pyvenv.cfg").write_text("")
    for name in (".git/config", "node_modules/x/a.js", "env/a.py"):
        (root / name).write_text(f"key = '{SECRETS['github_token']}' # needle\n")
    (root / "logo.png").write_bytes(b"\x89PNG\0" + SECRETS["github_token"].encode() + b"needle")
    (root / "big.txt").write_text("needle " * 800_000)
    (tmp_path / "outside.txt").write_text(f"{SECRETS['github_token']} needle")
    (root / "link.txt").symlink_to(tmp_path / "outside.txt")
    return root


@pytest.mark.parametrize("kind", SECRETS)
async def test_known_secrets_are_found_with_their_line_and_masked(
    call_tool: CallTool, tmp_path: Path, kind: str
) -> None:
    secret = SECRETS[kind]
    (tmp_path / "settings.env").write_text(f"# settings\nVALUE={secret}\n")

    result = await call_tool("scan_secrets", path=str(tmp_path))

    (finding,) = result["findings"]
    assert (finding["file"], finding["line"], finding["kind"]) == ("settings.env", 2, kind)
    assert kind == "private_key" or secret not in str(result)


@pytest.mark.parametrize(
    "line",
    [
        'password = "kT9$wq-72Lm"',
        "DB_PASSWORD=kT9wq72LmXz4Pq",
        '{"api_key": "9f8e7d6c5b4a39281706f5e4d3c2b1a0"}',
        "client_secret: 'q7RtY2wLp9Zx'",
        "postgres://admin:kT9wq72Lm@db.internal/app",
    ],
)
async def test_assigned_passwords_are_found(call_tool: CallTool, tmp_path: Path, line: str) -> None:
    (tmp_path / "a.yaml").write_text(line)

    result = await call_tool("scan_secrets", path=str(tmp_path))

    assert len(result["findings"]) == 1
    assert "9wq72" not in str(result)


@pytest.mark.parametrize(
    "line",
    [
        'password = os.environ["DB_PASSWORD"]',
        'password = "${DB_PASSWORD}"',
        'api_key = "your-api-key-here"',
        "token = parse_token(text)",
        'TOKENIZER = "o200k_base"',
        "password: str | None = None",
        'secret = "changeme123"',
        "the secret: a sentence about tokens and passwords",
        "author = 'AKIAlike words in ordinary text'",
        "https://example.org/a:b@c",
        "sha256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'",
    ],
)
async def test_ordinary_lines_are_left_alone(call_tool: CallTool, tmp_path: Path, line: str) -> None:
    (tmp_path / "a.py").write_text(line)

    assert (await call_tool("scan_secrets", path=str(tmp_path)))["findings"] == []


async def test_a_scan_skips_what_it_says_and_follows_no_link(call_tool: CallTool, tree: Path) -> None:
    result = await call_tool("scan_secrets", path=str(tree))

    assert result["findings"] == []
    assert result["files_scanned"] == 1
    assert result["files_skipped"] == {"too_large": 1, "binary": 1}
    assert result["complete"] is True


async def test_limits_that_stop_a_scan_are_said(call_tool: CallTool, tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"{number}.txt").write_text(SECRETS["github_token"])

    by_findings = await call_tool("scan_secrets", path=str(tmp_path), max_findings=2)
    by_files = await call_tool("scan_secrets", path=str(tmp_path), max_files=3)

    assert (len(by_findings["findings"]), by_findings["stopped_by"]) == (2, "max_findings")
    assert (by_files["files_scanned"], by_files["stopped_by"]) == (3, "max_files")
    assert by_files["complete"] is False


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        ({"query": "needle"}, [3]),
        ({"query": "needle", "case_sensitive": True}, [3]),
        ({"query": "Needle", "case_sensitive": True}, [3]),
        ({"query": "hay", "case_sensitive": True}, []),
        ({"query": r"^(import|print)\b", "regex": True}, [1, 4]),
        ({"query": r"^IMPORT", "regex": True, "case_sensitive": True}, []),
        ({"query": "needle", "glob": "*.md"}, []),
        ({"query": "needle", "glob": "src/*"}, [3]),
        ({"query": "(import"}, []),
    ],
)
async def test_a_search_finds_lines(
    call_tool: CallTool, tree: Path, arguments: dict[str, Json], lines: list[int]
) -> None:
    result = await call_tool("search_files", path=str(tree), **arguments)

    assert [match["line"] for match in result["matches"]] == lines
    assert {match["file"] for match in result["matches"]} <= {"src/app.py"}
    assert result["complete"] is True


async def test_a_search_says_when_there_is_more(call_tool: CallTool, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x" * 500 + "\nx\nx\n")

    result = await call_tool("search_files", path=str(tmp_path), query="x", max_matches=2)

    assert len(result["matches"]) == 2
    assert result["stopped_by"] == "max_matches"
    assert result["matches"][0]["text"].endswith("… (500 characters)")


async def test_bad_searches_are_told_clearly(call_tool: CallTool, tmp_path: Path) -> None:
    with pytest.raises(ToolFailedError, match="not a regular expression"):
        await call_tool("search_files", path=str(tmp_path), query="(", regex=True)
    with pytest.raises(ToolFailedError, match="no file or folder"):
        await call_tool("search_files", path=str(tmp_path / "none"), query="x")
    with pytest.raises(ToolFailedError, match="no file or folder"):
        await call_tool("scan_secrets", path=str(tmp_path / "none"))
