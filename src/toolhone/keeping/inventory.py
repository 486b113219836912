"""What each file of a data folder holds, of whom, for how long, and how it goes. One table."""

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path

from toolhone.models import JsonObject

COMPANIONS = ("-wal", "-shm", "-journal")
"""What SQLite puts beside a file while it is open."""


class Copying(StrEnum):
    """What a backup does with a file."""

    ALWAYS = "always"
    ON_DEMAND = "on_demand"
    """It is left out unless it is asked for."""
    WITHOUT_ANSWERS = "without_answers"
    """Its answers are left out unless whole results are asked for."""
    NEVER = "never"
    """A lock, a scratch file, what is made again by itself, or a secret that is good only here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One row of the table. Texts are for people; `{name}` stands for a term of `Terms`."""

    names: tuple[str, ...]
    """Patterns of paths in the data folder; `*` stands for any part of a path, `/` too."""
    holds: str
    whose: str
    kept: str
    erased: str
    copying: Copying


_OF_DATASET = "when its dataset is revoked, as an erasure does"

KINDS = (
    Kind(
        names=("audit.db",),
        holds="every call, selection, refusal and act of an admin: who, when, how; what it held, redacted",
        whose="callers, and whoever arguments and results name",
        kept="rows for ever, as one chain of hashes; what they hold {audit}",
        erased="snapshots erase, audit erase, audit prune",
        copying=Copying.ALWAYS,
    ),
    Kind(
        names=("snapshots.db",),
        holds="pieces of agents' work, redacted; users as keyed hashes, with the key",
        whose="agents and their users",
        kept="{snapshots}",
        erased="snapshots erase, snapshots prune",
        copying=Copying.ALWAYS,
    ),
    Kind(
        names=("datasets.db", "datasets/*"),
        holds="snapshots chosen and split for training, and which of them each dataset holds",
        whose="as the snapshots",
        kept="until revoked",
        erased="snapshots erase revokes each that holds something of them, and makes it anew without",
        copying=Copying.ALWAYS,
    ),
    Kind(
        names=("jobs_state.db", "jobs.db"),
        holds="plans, jobs, their events and costs; which steps of a job are done",
        whose="who asked for them, by name of the caller",
        kept="for ever",
        erased="with the data folder",
        copying=Copying.ALWAYS,
    ),
    Kind(
        names=("models.db",),
        holds="trained models, their verdicts, what each alias stood for and who decided it",
        whose="who decided, by name of the caller",
        kept="for ever",
        erased="models of erased work are marked; what they learned stays in them",
        copying=Copying.ALWAYS,
    ),
    Kind(
        names=("runs/.estimates/*",),
        holds="what estimates try out",
        whose="as the dataset",
        kept="until the next estimate",
        erased="with the next estimate",
        copying=Copying.NEVER,
    ),
    Kind(
        names=("runs/*.lock",),
        holds="which process trains",
        whose="nobody",
        kept="for ever",
        erased="with the data folder",
        copying=Copying.NEVER,
    ),
    Kind(
        names=("runs/*",),
        holds="the work of jobs: configurations, figures, checkpoints, trained weights, answers to test rows",
        whose="as the dataset; weights may recall rows",
        kept="for ever",
        erased=f"answers and uploads go {_OF_DATASET}; weights by hand",
        copying=Copying.ALWAYS,
    ),
    Kind(
        names=("comparisons/*",),
        holds="answers of models to test rows, and comparisons made of them",
        whose="as the dataset",
        kept="for ever",
        erased=_OF_DATASET,
        copying=Copying.ALWAYS,
    ),
    Kind(
        names=("encoders/*",),
        holds="encoders that were trained or added here, and which one is used",
        whose="as the use they learned from",
        kept="for ever",
        erased="by hand",
        copying=Copying.ALWAYS,
    ),
    Kind(
        names=("selector.db",),
        holds="what the selector learned from use: figures by tool, tasks as vectors and hashes",
        whose="callers, not by name",
        kept="20 versions, and those that were in use",
        erased="the next version is made of what the audit still holds",
        copying=Copying.ALWAYS,
    ),
    Kind(
        names=("results.db",),
        holds="whole results of calls, not redacted",
        whose="the caller, and whoever the tools tell of",
        kept="{results}",
        erased="snapshots erase, and by age",
        copying=Copying.ON_DEMAND,
    ),
    Kind(
        names=("requests.db",),
        holds="REST requests that carried a key, as hashes, and their answers, not redacted",
        whose="the caller, and whoever tools or rows of a dataset tell of",
        kept="24 hours",
        erased="every answer with any snapshots erase",
        copying=Copying.WITHOUT_ANSWERS,
    ),
    Kind(
        names=("access.db",),
        holds="API tokens as hashes: name, role, when issued, used, revoked",
        whose="who they were issued to",
        kept="for ever",
        erased="with the data folder",
        copying=Copying.ALWAYS,
    ),
    Kind(
        names=("first-admin-token",),
        holds="the first token, of an admin, in clear text: a start that says nothing on stderr leaves it",
        whose="who runs this toolhone",
        kept="until it is deleted: do that once it is read",
        erased="by hand; toolhone tokens revoke takes what it opens from it",
        copying=Copying.NEVER,
    ),
    Kind(
        names=("login-address",),
        holds="the address that logs one browser in, from such a start",
        whose="who runs this toolhone",
        kept="15 minutes, or until toolhone ends",
        erased="by itself, or with the next start",
        copying=Copying.NEVER,
    ),
    Kind(
        names=("grants.db",),
        holds="logins at downstream servers: tokens and registrations, as they are",
        whose="who logged in",
        kept="until logged out, or replaced by the next login",
        erased="servers logout",
        # A copy would let whoever has it act as who logged in, and renewing an old one ends the new one.
        copying=Copying.NEVER,
    ),
    Kind(
        names=("approvals.db",),
        holds="definitions of downstream tools, approved and waiting, and who decided",
        whose="who decided, by name of the caller",
        kept="for ever",
        erased="with the data folder",
        copying=Copying.ALWAYS,
    ),
    Kind(
        names=("figures.db",),
        holds="counts of the audit by time and tool, and which sessions asked on which day",
        whose="callers, by session or name",
        kept="for ever",
        erased="made again from the audit if it is deleted",
        copying=Copying.ALWAYS,
    ),
    Kind(
        names=("cache.db",),
        holds="the last tool listing of each server, and vectors of tools' texts",
        whose="nobody",
        kept="listings until the next; vectors 90 days after their last use",
        erased="made again if it is deleted",
        copying=Copying.ALWAYS,
    ),
    Kind(
        names=("index/*",),
        holds="the selector's index of the tools",
        whose="nobody",
        kept="the last 4",
        erased="made again if it is deleted",
        copying=Copying.NEVER,
    ),
    Kind(
        names=("jobs.log",),
        holds="what processes that run jobs in the background print",
        whose="nobody; errors may quote a provider's words",
        kept="for ever",
        erased="by hand",
        copying=Copying.ALWAYS,
    ),
    Kind(
        names=("jobs.lock",),
        holds="which process runs jobs",
        whose="nobody",
        kept="for ever",
        erased="with the data folder",
        copying=Copying.NEVER,
    ),
    Kind(
        names=("*.db.damaged-*",),
        holds="a damaged file that was put aside and made again",
        whose="as the file",
        kept="for ever",
        erased="by hand",
        copying=Copying.NEVER,
    ),
)
"""Everything that may be in a data folder. The first row whose pattern matches tells of a file."""

SCRATCH = (".*", "*/.work-*", "*/.active-*", "*.tmp", "*.half", "*.partial")
"""What is being written now, or was when a process died. Nothing of it is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the settings say of how long things are kept, in words."""

    audit: str
    snapshots: str
    results: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """One row of the table, for one folder."""

    names: tuple[str, ...]
    holds: str
    whose: str
    kept: str
    erased: str
    in_backup: Copying
    files: int
    size: int
    """Bytes, those of SQLite's companions too."""
    oldest: str | None
    """When the file that was left alone the longest was last written: UTC."""

    def as_json(self) -> JsonObject:
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Somewhere that things go from here."""

    name: str
    what: str
    where: str | None
    """An address or a path; `None` if nothing goes there as it is configured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What a data folder holds."""

    folder: Path
    holdings: tuple[Holding, ...]
    unknown: tuple[str, ...]
    """Files that no toolhone of this version makes."""
    destinations: tuple[Destination, ...]

    def as_json(self) -> JsonObject:
        return {**asdict(self), "folder": str(self.folder)}


def kind_of(name: str) -> Kind | None:
    """The row that tells of this path in a data folder, if any does; a companion is its file's."""
    for suffix in COMPANIONS:
        if name.endswith(f".db{suffix}"):
            name = name.removesuffix(suffix)
    return next(
        (kind for kind in KINDS if any(fnmatchcase(name, pattern) for pattern in kind.names)),
        None,
    )


def is_scratch(name: str) -> bool:
    return not fnmatchcase(name, "runs/.estimates/*") and any(
        fnmatchcase(name, pattern) for pattern in SCRATCH
    )


def files_of(folder: Path) -> Iterator[tuple[str, Path]]:
    """Every file of the folder with its name in it, sorted. Links are told of, and not followed."""
    # os.walk: Path.walk is newer than the oldest Python that is supported.
    found = (Path(root, name) for root, _, names in os.walk(folder) for name in names)
    for path in sorted(found):
        yield path.relative_to(folder).as_posix(), path


def take_inventory(folder: Path, terms: Terms, destinations: tuple[Destination, ...] = ()) -> Inventory:
    """Look through the folder. Blocks."""
    words = asdict(terms)
    sizes: dict[Kind, list[tuple[int, float]]] = {kind: [] for kind in KINDS}
    unknown: list[str] = []
    for name, path in files_of(folder):
        if is_scratch(name):
            continue
        kind = kind_of(name)
        try:
            about = path.lstat()
        except FileNotFoundError:
            continue
        if kind is None:
            unknown.append(name)
        else:
            sizes[kind].append((about.st_size, about.st_mtime))
    return Inventory(
        folder=folder,
        holdings=tuple(
            Holding(
                names=kind.names,
                holds=kind.holds,
                whose=kind.whose,
                kept=kind.kept.format(**words),
                erased=kind.erased,
                in_backup=kind.copying,
                files=len(found),
                size=sum(size for size, _ in found),
                oldest=_moment(min(at for _, at in found)) if found else None,
            )
            for kind, found in sizes.items()
        ),
        unknown=tuple(unknown),
        destinations=destinations,
    )


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
