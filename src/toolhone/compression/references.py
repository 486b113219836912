"""Objects that repeat inside rows, and lists of objects inside rows: taken out into tables of their own.
Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from toolhone.compression.cells import Missing, Path
from toolhone.json_values import is_array, is_object
from toolhone.models import Json, JsonObject, canonical_json

_DEEPEST = 4
_FEWEST_KEYS = 3
_MOST_DISTINCT = 0.6
"""A table of its own is for objects of which at most this share are different."""


@dataclass(slots=True)
class Pool:
    """Objects of one shape, each once, in the order in which they were met."""

    rows: list[JsonObject] = field(default_factory=list[JsonObject])
    paths: list[Path] = field(default_factory=list[Path])
    numbers: dict[str, int] = field(default_factory=dict[str, int])

    def add(self, value: JsonObject) -> None:
        key = canonical_json(value)
        if key not in self.numbers:
            self.numbers[key] = len(self.rows)
            self.rows.append(value)

    def numbered(self, value: Json) -> Json:
        """The value with row numbers for its objects; whatever else it is stays."""
        if isinstance(value, Missing):
            return value
        if is_object(value):
            return self.numbers[canonical_json(value)]
        if is_array(value):
            return [self.numbers[canonical_json(item)] for item in value]
        return value


@dataclass(slots=True)
class Pools:
    """What is taken out of a table."""

    pools: list[Pool] = field(default_factory=list[Pool])
    stop: dict[Path, int] = field(default_factory=dict[Path, int])
    """The paths whose values are taken out, and to which of the pools."""


def pools_of(rows: Sequence[JsonObject], *, objects: bool) -> Pools:
    """What is worth a table of its own: lists of objects, and if wanted objects that repeat."""
    pools = Pools()
    _collect(pools, [((), row) for row in rows], objects)
    return pools


def _collect(pools: Pools, level: Sequence[tuple[Path, JsonObject]], objects: bool) -> None:
    """One depth after the other, so that an object inside one that was taken out is left to its table."""
    for _ in range(_DEEPEST):
        by_path: dict[Path, list[Json]] = {}
        for path, value in level:
            for key, part in value.items():
                by_path.setdefault((*path, key), []).append(part)
        candidates: dict[tuple[str, ...], list[tuple[Path, list[Json]]]] = {}
        for path, values in by_path.items():
            if _are_lists(values) or (objects and _are_objects(values)):
                candidates.setdefault(_shape(values), []).append((path, values))
        for group in candidates.values():
            _take(pools, group)
        level = [
            (path, value)
            for path, values in by_path.items()
            if path not in pools.stop
            for value in values
            if is_object(value)
        ]


def _are_objects(values: Sequence[Json]) -> bool:
    return all(is_object(value) or value is None for value in values) and any(values)


def _are_lists(values: Sequence[Json]) -> bool:
    return any(values) and all(
        value is None or (is_array(value) and all(is_object(item) for item in value)) for value in values
    )


def _shape(values: Sequence[Json]) -> tuple[str, ...]:
    keys: dict[str, None] = {}
    for value in values:
        for item in value if is_array(value) else [value]:
            if is_object(item):
                keys.update(dict.fromkeys(item))
    return tuple(sorted(keys))


def _take(pools: Pools, group: Sequence[tuple[Path, list[Json]]]) -> None:
    pool = Pool()
    met = lists = keys = 0
    for path, values in group:
        pool.paths.append(path)
        for value in values:
            lists += is_array(value)
            for item in value if is_array(value) else [value]:
                if is_object(item):
                    pool.add(item)
                    met += 1
                    keys += len(item)
    if met < 2 or not keys or (len(pool.rows) == 1 and not lists):
        return
    if lists or (keys / met >= _FEWEST_KEYS and len(pool.rows) <= _MOST_DISTINCT * met):
        for path in pool.paths:
            pools.stop[path] = len(pools.pools)
        pools.pools.append(pool)
