"""Which tools of a listing are held back, and why. Pure."""

from collections.abc import Iterable, Mapping

from toolhone.models import JsonObject, content_hash
from toolhone.records.approvals import Approval, ApprovalStatus, Offered
from toolhone.registry.listing import Listing, definition_of


def offered_by(listing: Listing) -> Mapping[str, Offered]:
    """The definitions of a listing, by the original names of their tools."""
    names = {tool.original_name: tool.name for tool in listing.tools}
    return {
        tool["name"]: _offered(names[tool["name"]], definition_of(tool))
        for tool in listing.raw
        if tool["name"] in names
    }


def has_news(offered: Iterable[Offered], known: Iterable[Approval]) -> bool:
    """Whether there is anything to be kept: a new definition, a new name, or one that waits in vain."""
    by_hash = {(one.tool, one.hash): one for one in known}
    waiting = {one.tool: one.hash for one in by_hash.values() if one.status is ApprovalStatus.WAITING}
    return any(
        (there := by_hash.get((one.tool, one.hash))) is None
        or there.name != one.name
        or waiting.get(one.tool, one.hash) != one.hash
        for one in offered
    )


def held_back(
    offered: Mapping[str, Offered], known: Iterable[Approval], *, most_tools: int
) -> Mapping[str, str]:
    """Why each tool that must not be used is held back, by its original name, as in "it is …".

    Args:
        most_tools: Of one server whose definitions are kept; what is not known may be one too many.
    """
    by_hash = {(one.tool, one.hash): one for one in known}
    seen = {tool for tool, _ in by_hash}
    approved = {one.tool for one in by_hash.values() if one.status is ApprovalStatus.APPROVED}
    held: dict[str, str] = {}
    for original, one in offered.items():
        there = by_hash.get((one.tool, one.hash))
        if there is None or there.status is not ApprovalStatus.APPROVED:
            too_many = None if one.tool in seen else most_tools
            held[original] = _reason(one, there, changed=one.tool in approved, too_many=too_many)
    return held


def _offered(name: str, definition: JsonObject) -> Offered:
    # A lone surrogate cannot be a key of the store; the hash is over what the server sent.
    tool = str(definition["name"]).encode("utf-8", "backslashreplace").decode()
    return Offered(tool=tool, name=name, hash=content_hash(definition), definition=definition)


def _reason(offered: Offered, there: Approval | None, *, changed: bool, too_many: int | None) -> str:
    """As in "it is …"; an agent pays for it."""
    if there is None:
        if too_many is not None:
            return f"held back: its server has named more than {too_many:,} tools"
        return "held back: its definition has changed, and an admin must approve it"
    if there.status is ApprovalStatus.REJECTED:
        return f"held back: its definition of {there.seen_at[:10]} was rejected"
    what = "its definition changed" if changed else "it came"
    return (
        f"held back: {what} on {there.seen_at[:10]}; "
        f"an admin must approve it (toolhone servers approve {offered.name})"
    )
