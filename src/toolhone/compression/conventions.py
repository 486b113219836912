"""What most tools of a catalog have in common without saying anything: stated once, exceptions marked."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from toolhone.compression import notation
from toolhone.models import Json, JsonObject, canonical_json

_LEAD = "defaults:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conventions:
    """The defaults of a catalog. Each is only used where it saves something."""

    closed: bool = False
    """Tools take no other parameters (`additionalProperties` is false)."""
    closed_objects: bool = False
    """Nested objects take no other properties."""
    titles: bool = False
    """Schemas have the titles that pydantic derives from their names."""
    draft: str = ""
    """The `$schema` of every input schema."""

    @property
    def line(self) -> str:
        """The preamble's line for them; empty where there are none."""
        words = [
            word
            for word, used in (
                ("closed", self.closed),
                ("closed objects", self.closed_objects),
                ("titles", self.titles),
                (
                    next((name for name, uri in notation.DRAFTS.items() if uri == self.draft), self.draft),
                    self.draft,
                ),
            )
            if used
        ]
        return f"{_LEAD} {', '.join(words)}" if words else ""


def read_conventions(line: str) -> Conventions | None:
    """The conventions a line states; None where it is another line."""
    if not line.startswith(_LEAD + " "):
        return None
    words = line[len(_LEAD) + 1 :].split(", ")
    drafts = [word for word in words if word not in ("closed", "closed objects", "titles")]
    return Conventions(
        closed="closed" in words,
        closed_objects="closed objects" in words,
        titles="titles" in words,
        draft=notation.DRAFTS.get(drafts[0], drafts[0]) if drafts else "",
    )


def find_conventions(tools: Sequence[JsonObject]) -> Conventions:
    """The conventions that most of these tools keep."""
    schemas = [
        cast("JsonObject", tool["inputSchema"]) for tool in tools if isinstance(tool.get("inputSchema"), dict)
    ]
    top: Counter[bool] = Counter()
    inner: Counter[bool] = Counter()
    drafts: Counter[str] = Counter()
    titled = 0
    for schema in schemas:
        if isinstance(draft := schema.get("$schema"), str):
            drafts[draft] += 1
        titled += has_derived_titles(schema)
        for part, depth in _subschemas(schema):
            if isinstance(part.get("properties"), dict):
                counter = inner if depth else top
                others = part.get("additionalProperties")
                if others is False or "additionalProperties" not in part:
                    counter[others is False] += 1
    draft, times = min(drafts.items(), key=lambda item: (-item[1], item[0]), default=("", 0))
    usable = (
        draft and "," not in draft and not notation.UNSAFE.search(draft + draft.strip()) and "\n" not in draft
    )
    return Conventions(
        closed=top[True] > top[False],
        closed_objects=inner[True] > inner[False] + 1,
        titles=titled * 2 > len(schemas),
        draft=draft if usable and times * 2 > len(schemas) else "",
    )


def _subschemas(schema: JsonObject) -> Iterator[tuple[JsonObject, int]]:
    """The schema and those inside it that are written in short form, with their depth."""
    stack: list[tuple[Json, int]] = [(schema, 0)]
    while stack:
        part, depth = stack.pop()
        if not isinstance(part, dict):
            continue
        found = cast("JsonObject", part)
        yield found, depth
        for key, value in found.items():
            if key in notation.SCHEMA_MAPS and isinstance(value, dict):
                stack.extend((inner, depth + 1) for inner in cast("JsonObject", value).values())
            elif key in notation.SCHEMA_LISTS and isinstance(value, list):
                stack.extend((inner, depth + 1) for inner in cast("list[Json]", value))
            elif key in notation.SCHEMA_VALUES:
                stack.append((value, depth + 1))


def derived_title(name: str) -> str:
    """The title pydantic gives a field of this name."""
    return name.replace("_", " ").title()


def has_derived_titles(schema: JsonObject) -> bool:
    """Whether the schema has titles, and the convention gives back just those."""
    parts = [part for part, _ in _subschemas(schema)]
    if not any(isinstance(part.get("title"), str) for part in parts):
        return False
    return canonical_json(with_titles(without_titles(schema))) == canonical_json(schema)


def without_titles(schema: JsonObject) -> JsonObject:
    """A copy of the schema without the titles that the convention gives back."""
    return _retitled(schema, adding=False)


def with_titles(schema: JsonObject) -> JsonObject:
    """A copy of the schema with every title the convention gives."""
    return _retitled(schema, adding=True)


def _retitled(schema: JsonObject, *, adding: bool) -> JsonObject:
    copy: JsonObject = {}
    for key, value in schema.items():
        if key in ("properties", "$defs") and isinstance(value, dict):
            inner: JsonObject = {}
            for name, part in cast("JsonObject", value).items():
                if not isinstance(part, dict):
                    inner[name] = part
                    continue
                named = _retitled(cast("JsonObject", part), adding=adding)
                title = name if key == "$defs" else derived_title(name)
                if adding and "$ref" not in named and "title" not in named:
                    named["title"] = title
                elif not adding and named.get("title") == title:
                    del named["title"]
                inner[name] = named
            copy[key] = inner
        elif key in notation.SCHEMA_LISTS and isinstance(value, list):
            copy[key] = [
                _retitled(cast("JsonObject", part), adding=adding) if isinstance(part, dict) else part
                for part in cast("list[Json]", value)
            ]
        elif key in notation.SCHEMA_VALUES and isinstance(value, dict):
            copy[key] = _retitled(cast("JsonObject", value), adding=adding)
        else:
            copy[key] = value
    return copy
