"""Files changed together: looked at before, backed up, replaced at once, and given back as they were.

What was done is noted in a journal in toolhone's configuration folder, one file a change, before the first
file is touched. So an interrupted change can be undone too.
"""

import hashlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from toolhone.exceptions import ConfigurationError, NotFoundError

PRIVATE = 0o600
_STAMP = "%Y%m%dT%H%M%S%fZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What one file held and what it is to hold. `None` is no file."""

    file: Path
    before: bytes | None
    after: bytes
    private: bool = False
    """Whether only this user may read it from now on."""


class Noted(BaseModel):
    """One file of a change that was made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: Path
    backup: Path | None
    """`None` if there was no file."""
    before: str | None
    """Hashes of the contents."""
    after: str
    mode: int | None


class Journal(BaseModel):
    """One change that was made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str
    at: str
    files: tuple[Noted, ...]


def read_file(file: Path) -> bytes | None:
    """What the file holds; `None` if there is none.

    Raises:
        ConfigurationError: It cannot be read.
    """
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise ConfigurationError(f"{str(file)!r} cannot be read: {exc.strerror or exc}.") from exc


def make(changes: Sequence[Change], *, journals: Path, host: str, now: datetime) -> Journal:
    """Back up and replace the files, in this order.

    Args:
        journals: The folder of journals; made if it is not there.

    Raises:
        ConfigurationError: A file changed meanwhile, or cannot be written; the message names the backup.
    """
    stamp = now.strftime(_STAMP)
    noted: list[Noted] = []
    try:
        for change in changes:
            if read_file(change.file) != change.before:
                raise ConfigurationError(
                    f"{str(change.file)!r} was changed by another program just now, so it is left as it is. "
                    "Close the program that writes it, and try again."
                )
            noted.append(_back_up(change, stamp))
        journal = Journal(host=host, at=now.isoformat(), files=tuple(noted))
        journals.mkdir(mode=0o700, parents=True, exist_ok=True)
        _replace(journals / f"{stamp}-{host}.json", journal.model_dump_json(indent=2).encode(), PRIVATE)
        for change, note in zip(changes, noted, strict=True):
            change.file.parent.mkdir(parents=True, exist_ok=True)
            mode = PRIVATE if change.private or note.mode is None else note.mode
            _replace(change.file, change.after, mode)
    except OSError as exc:
        backups = ", ".join(str(note.backup) for note in noted if note.backup) or "nothing was changed"
        raise ConfigurationError(
            f"{str(exc.filename or changes[0].file)!r} cannot be written: {exc.strerror or exc}. "
            f"Backups: {backups}."
        ) from exc
    return journal


def _back_up(change: Change, stamp: str) -> Noted:
    after = _hash(change.after)
    if change.before is None:
        return Noted(file=change.file, backup=None, before=None, after=after, mode=None)
    mode = change.file.stat().st_mode & 0o777
    backup = change.file.with_name(f"{change.file.name}.toolhone-backup-{stamp}")
    # Never wider than what it is a copy of.
    _replace(backup, change.before, mode & 0o700)
    return Noted(file=change.file, backup=backup, before=_hash(change.before), after=after, mode=mode)


def undo_last(*, journals: Path, host: str, file: Path) -> Journal:
    """Give back every file of the last change that was made to this file for this host.

    Raises:
        NotFoundError: There is none that could be undone.
        ConfigurationError: A file was changed since, so nothing is given back; the message says what to do.
    """
    for path in sorted(journals.glob(f"*-{host}.json"), reverse=True):
        journal = _load(path)
        if any(note.file == file for note in journal.files):
            break
    else:
        raise NotFoundError(f"toolhone has changed nothing in {str(file)!r} that could be undone.")
    untouched = {note.file: _untouched(note) for note in journal.files}
    if strange := [note for note in journal.files if untouched[note.file] is None]:
        note = strange[0]
        backup = f"; as it was before, it is kept in {str(note.backup)!r}" if note.backup else ""
        raise ConfigurationError(
            f"{str(note.file)!r} was changed after toolhone wrote it, so nothing is undone{backup}. "
            "To take out toolhone's entry alone: toolhone install --client "
            f"{host} --remove (with the same --file or --project).",
            data={"file": str(note.file)},
        )
    try:
        # The servers go back to the host before they leave toolhone's own file.
        for note in reversed(journal.files):
            if not untouched[note.file]:
                _give_back(note)
        path.unlink()
        for note in journal.files:
            if note.backup is not None:
                note.backup.unlink(missing_ok=True)
    except OSError as exc:
        raise ConfigurationError(
            f"{str(exc.filename)!r} cannot be written: {exc.strerror or exc}. Try again."
        ) from exc
    return journal


def _untouched(note: Noted) -> bool | None:
    """Whether the file is still as before; `False` if it is as toolhone wrote it, `None` if neither."""
    content = read_file(note.file)
    present = None if content is None else _hash(content)
    if present == note.before:
        return True
    return False if present == note.after else None


def _give_back(note: Noted) -> None:
    if note.backup is None:
        note.file.unlink()
        return
    content = read_file(note.backup)
    if content is None or _hash(content) != note.before:
        raise ConfigurationError(
            f"The backup {str(note.backup)!r} is missing or was changed, so {str(note.file)!r} is left as it "
            "is. Take out toolhone's entry with --remove."
        )
    _replace(note.file, content, PRIVATE if note.mode is None else note.mode)


def _load(path: Path) -> Journal:
    try:
        return Journal.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as exc:
        raise ConfigurationError(f"The journal {str(path)!r} cannot be read. Move it away.") from exc


def _replace(file: Path, content: bytes, mode: int) -> None:
    """Write the file anew, whole or not at all."""
    descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(mode)
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _hash(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
