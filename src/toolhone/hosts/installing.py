"""What an installation changes in the files of a host and of toolhone: read and decided, not yet written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import cast

from toolhone.exceptions import ConfigurationError, UnsetVariableError
from toolhone.hosts.changes import Change, read_file
from toolhone.hosts.json_text import read, with_member, without_member
from toolhone.hosts.known import NAME, Host
from toolhone.models import Json, JsonObject
from toolhone.registry.config import SERVER_KEYS, load_servers
from toolhone.registry.self_reference import starts_toolhone

_TRANSPORT = ("type", "command", "args", "url")
_OF_ITS_KIND = ("headers", "env", "cwd", "envFile")
"""What says nothing any more when an address takes the place of a command, or the other way round."""

_BOM = "\ufeff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """What is to be done. `changes` is empty if everything is as it should be."""

    changes: tuple[Change, ...]
    adopted: tuple[str, ...] = ()
    """Servers that move behind toolhone."""
    left: Mapping[str, str]
    """Servers that stay with the host, and why."""
    own: "OwnServers | None" = None
    """Set if the host's other servers were to move behind toolhone."""


@dataclass(frozen=True, slots=True)
class OwnServers:
    """toolhone's own servers file, as it will be."""

    file: Path
    count: int


def plan_installation(
    host: Host,
    file: Path,
    entry: JsonObject,
    *,
    keep_arguments: bool,
    adopt_into: Path | None,
    environ: Mapping[str, str],
) -> Installation:
    """Put `entry` into the host's file, and move its other servers behind toolhone if asked to.

    Args:
        file: The host's file, which may be missing; links are already followed.
        keep_arguments: Whether an entry of ours that is there keeps the arguments that it has.
        adopt_into: toolhone's own servers file, unless the entry names another; `None` leaves the other
            servers where they are.

    Raises:
        ConfigurationError: A file cannot be read or is not what it should be; nothing is changed then.
    """
    before = read_file(file)
    text, bom = _decoded(file, before)
    try:
        present = _servers(text, host.key)
        wanted = _merged(present.get(NAME), entry, keep_arguments)
        changed = _with_entry(text, host.key, present.get(NAME), wanted)
    except ConfigurationError as exc:
        raise _of(file, exc) from exc
    changes: list[Change] = []
    adopted: dict[str, Json] = {}
    left: dict[str, str] = {}
    behind: OwnServers | None = None
    if adopt_into is not None:
        adopt_into = _servers_file_of(wanted) or adopt_into
        others = {name: raw for name, raw in present.items() if name != NAME}
        adopted, left = _adoptable(file, others, environ) if others else ({}, {})
        own_before = read_file(adopt_into)
        own, own_bom = _decoded(adopt_into, own_before)
        try:
            own, collisions, count = _adopted(own, adopted)
            left |= collisions
            adopted = {name: raw for name, raw in adopted.items() if name not in collisions}
            for name in adopted:
                changed = without_member(changed, (host.key, name))
        except ConfigurationError as exc:
            raise _of(adopt_into, exc) from exc
        behind = OwnServers(adopt_into, count)
        after = (own_bom + own).encode()
        if adopted and after != own_before:
            changes.append(Change(file=adopt_into, before=own_before, after=after, private=True))
    after = (bom + changed).encode()
    if after != before:
        changes.append(Change(file=file, before=before, after=after))
    return Installation(changes=tuple(changes), adopted=tuple(adopted), left=left, own=behind)


def plan_removal(host: Host, file: Path) -> Installation:
    """Take our entry out of the host's file, whatever else has changed in it.

    Raises:
        ConfigurationError: The file cannot be read or is not what it should be.
    """
    before = read_file(file)
    if before is None:
        return Installation(changes=(), left={})
    text, bom = _decoded(file, before)
    try:
        after = (
            (bom + without_member(text, (host.key, NAME))).encode() if _servers(text, host.key) else before
        )
    except ConfigurationError as exc:
        raise _of(file, exc) from exc
    changes = (Change(file=file, before=before, after=after),) if after != before else ()
    return Installation(changes=changes, left={})


def servers_in(host: Host, file: Path) -> JsonObject:
    """The entries of the host's file by name.

    Raises:
        ConfigurationError: The file cannot be read or is not what it should be.
    """
    text, _ = _decoded(file, read_file(file))
    try:
        return _servers(text, host.key)
    except ConfigurationError as exc:
        raise _of(file, exc) from exc


def is_ours(entry: Json) -> bool:
    """Whether the entry starts toolhone."""
    if not isinstance(entry, dict):
        return False
    return starts_toolhone(_words(cast("JsonObject", entry)))


def arguments_of(entry: Json) -> list[str]:
    """The arguments that an entry gives its command; none if it is not what it should be."""
    found: Json = cast("JsonObject", entry).get("args") if isinstance(entry, dict) else None
    words = cast("list[Json]", found) if isinstance(found, list) else []
    return [word for word in words if isinstance(word, str)]


def _words(entry: JsonObject) -> list[str]:
    command: Json = entry.get("command")
    return [*([command] if isinstance(command, str) else ()), *arguments_of(entry)]


def _decoded(file: Path, content: bytes | None) -> tuple[str, str]:
    """The text and the mark before it, if it has one."""
    try:
        text = (content or b"").decode()
    except UnicodeDecodeError as exc:
        raise ConfigurationError(f"{str(file)!r} is not UTF-8, so it is left as it is.") from exc
    return (text.removeprefix(_BOM), _BOM) if text.startswith(_BOM) else (text, "")


def _of(file: Path, error: ConfigurationError) -> ConfigurationError:
    return ConfigurationError(
        f"{str(file)!r} is left as it is. {error.message} Mend it, or paste what toolhone config prints."
    )


def _servers(text: str, key: str) -> JsonObject:
    document: Json = read(text).json if text.strip() else {}
    servers: Json = cast("JsonObject", document).get(key, {}) if isinstance(document, dict) else None
    if not isinstance(servers, dict):
        raise ConfigurationError(f"It must be an object with servers by name under {key!r}.")
    return cast("JsonObject", servers)


def _merged(present: Json, entry: JsonObject, keep_arguments: bool) -> JsonObject:
    """The entry with what the user added to the one that is there."""
    if not isinstance(present, dict):
        return entry
    raw = cast("JsonObject", present)
    added = {key: value for key, value in raw.items() if key not in _TRANSPORT}
    if ("url" in raw) != ("url" in entry):
        # What belongs to an address says nothing to a command, and the other way round.
        added = {key: value for key, value in added.items() if key not in _OF_ITS_KIND}
    merged = {**entry, **{key: value for key, value in added.items() if key not in entry}}
    if keep_arguments and "args" in merged and is_ours(present) and isinstance(raw.get("args"), list):
        merged["args"] = _same_launcher(cast("list[Json]", raw["args"]), cast("list[Json]", entry["args"]))
    return merged


def _servers_file_of(entry: JsonObject) -> Path | None:
    """The servers file that a toolhone which is started by this entry reads, if the entry says so."""
    for before, word in pairwise(arguments_of(entry)):
        if before == "--config":
            return Path(word).resolve()
    environment: Json = entry.get("env")
    named: Json = (
        cast("JsonObject", environment).get("TOOLHONE_CONFIG") if isinstance(environment, dict) else None
    )
    return Path(named).resolve() if isinstance(named, str) and named else None


def _same_launcher(present: list[Json], new: list[Json]) -> list[Json]:
    """Our way to `serve`, and from there on the arguments that are there."""
    if "serve" not in present or "serve" not in new:
        return present
    return [*new[: new.index("serve")], *present[present.index("serve") :]]


def _with_entry(text: str, key: str, present: Json, wanted: JsonObject) -> str:
    if not isinstance(present, dict):
        return with_member(text, (key, NAME), wanted)
    # Member by member, so that comments inside the entry stay.
    for member in cast("JsonObject", present).keys() - wanted.keys():
        text = without_member(text, (key, NAME, member))
    for member, value in wanted.items():
        text = with_member(text, (key, NAME, member), value)
    return text


def _adoptable(
    file: Path, others: JsonObject, environ: Mapping[str, str]
) -> tuple[dict[str, Json], dict[str, str]]:
    """Which of the host's servers toolhone can start, and why not the others."""
    problems = {entry.name: entry.problem for entry in load_servers(file, environ).entries}
    adoptable: dict[str, Json] = {}
    left: dict[str, str] = {}
    for name, raw in others.items():
        problem = problems.get(name)
        if name not in problems:
            left[name] = "it starts toolhone itself"
        elif isinstance(problem, UnsetVariableError):
            variable = problem.data.get("variable")
            left[name] = f"its variable {variable} is not set here, so it may be known to the host alone"
        elif problem is not None:
            left[name] = problem.message
        elif isinstance(raw, dict) and (relative := _relative(cast("JsonObject", raw))):
            left[name] = f"its {relative} is relative to the folder of this file; make it absolute first"
        else:
            adoptable[name] = raw
    return adoptable, left


def _relative(entry: JsonObject) -> str | None:
    for key in ("cwd", "envFile"):
        value: Json = entry.get(key)
        if isinstance(value, str) and not Path(value).is_absolute():
            return key
    return None


def _adopted(text: str, entries: Mapping[str, Json]) -> tuple[str, dict[str, str], int]:
    """toolhone's servers file with the entries, those that it cannot take, and how many it has then."""
    document: Json = read(text).json if text.strip() else {}
    keys = [key for key in SERVER_KEYS if isinstance(document, dict) and key in document] or ["mcpServers"]
    known = {name: raw for key in keys for name, raw in _servers(text, key).items()}
    collisions: dict[str, str] = {}
    for name, raw in entries.items():
        if name not in known:
            text = with_member(text, (keys[0], name), raw)
        elif known[name] != raw:
            collisions[name] = "toolhone has another server of this name; rename one of them"
    return text, collisions, len(known.keys() | entries.keys())


def entry_paths(entry: Json) -> Sequence[str]:
    """The absolute paths that an entry of ours names: its command, files and folders."""
    if not isinstance(entry, dict):
        return ()
    return [word for word in _words(cast("JsonObject", entry)) if Path(word).is_absolute()]
