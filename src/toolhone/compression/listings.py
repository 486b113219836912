"""Lists of paths and trees of named nodes, written a line each. Pure.

Paths: a line is a folder under the common root, then the names in it; a path with spaces is a line of its
own, in quotes. Trees: one space a level; "/" after a name says that the node has the key for its children,
also if there are none, and the names behind it are children without children.
"""

import json
import re
from collections.abc import Iterator, Sequence

from toolhone.compression.cells import (
    MISSING,
    Missing,
    UnreadableTableError,
    cell_of,
    json_at,
    name_of,
    path_at,
    value_of,
)
from toolhone.compression.columns import cell_json, key_of
from toolhone.json_values import is_array, is_object
from toolhone.models import Json, JsonObject

_FEWEST_PATHS = 4
_DEEPEST_TREE = 48
_PLAIN = re.compile(r"[^\s\"\x00-\x1f\x7f][^\s\x00-\x1f\x7f]*")
"""Names without a quote at the beginning and without spaces, which part names."""


def paths_lines(values: Sequence[Json]) -> list[str] | None:
    """Root and lines of a list of paths; `None` if it is none."""
    texts = [value for value in values if isinstance(value, str)]
    if len(texts) != len(values) or len(texts) < _FEWEST_PATHS:
        return None
    if 2 * sum("/" in text for text in texts) < len(texts):
        return None
    root = _common_folder(texts)
    lines: list[str] = [cell_of(root, text=True) if root else ""]
    folder: str | None = None
    for text in texts:
        inside = text[len(root) :]
        cut = inside.rfind("/") + 1
        name, here = inside[cut:], inside[:cut] or "./"
        if not _is_plain(name) or not _is_plain(here) or inside.startswith("./"):
            lines.append(minified_line(text))
            folder = None
        elif here == folder:
            lines[-1] += f" {name}"
        else:
            lines.append(f"{here} {name}")
            folder = here
    return lines


def read_paths(lines: Sequence[str]) -> list[Json]:
    """The paths that `paths_lines` wrote."""
    root = value_of(lines[0], text=True) if lines[0] else ""
    paths: list[Json] = []
    for line in lines[1:]:
        if line.startswith('"'):
            paths.append(json_at(line, 0)[0])
        else:
            folder, *names = line.split(" ")
            inside = "" if folder == "./" else folder
            paths.extend(f"{root}{inside}{name}" for name in names)
    return paths


def _is_plain(name: str) -> bool:
    return _PLAIN.fullmatch(name) is not None


def minified_line(text: str) -> str:
    """A string as JSON on one line."""
    return json.dumps(text)


def _common_folder(texts: Sequence[str]) -> str:
    low, high = min(texts), max(texts)
    same = 0
    while same < len(low) and same < len(high) and low[same] == high[same]:
        same += 1
    return low[: low.rfind("/", 0, same) + 1]


def child_key(nodes: Sequence[Json]) -> str | None:
    """The key under which nodes hold more nodes of their kind; `None` if this is no tree."""
    for node in nodes:
        if not is_object(node):
            return None
        for key, value in node.items():
            if (
                is_array(value)
                and value
                and all(is_object(child) for child in value)
                and any(key in child or child.keys() == node.keys() - {key} for child in value)
            ):
                return key
    return None


def tree_lines(nodes: Sequence[JsonObject], children: str) -> list[str] | None:
    """Head line and lines of a tree; `None` if its nodes cannot be lines."""
    flat: list[tuple[int, JsonObject]] = []
    waiting: list[tuple[int, Json]] = [(0, node) for node in reversed(nodes)]
    while waiting:
        depth, node = waiting.pop()
        if not is_object(node) or depth > _DEEPEST_TREE:
            return None
        flat.append((depth, node))
        inner = node.get(children, [])
        if not is_array(inner):
            return None
        waiting.extend((depth + 1, child) for child in reversed(inner))
    label = next(iter(flat[0][1]), "")
    if label == children or any(not _is_label(node.get(label)) for _, node in flat):
        return None
    keys = dict.fromkeys(key for _, node in flat for key in node if key not in {label, children})
    if len(keys) > 16:
        return None
    heads = [name_of((label,)), name_of((children,))]
    with_cells: list[str] = []
    for key in keys:
        branch = {key_of(node.get(key, MISSING)) for _, node in flat if children in node}
        leaf = {key_of(node.get(key, MISSING)) for _, node in flat if children not in node}
        if len(branch) <= 1 and len(leaf) <= 1:
            both = [
                next((node.get(key, MISSING) for _, node in flat if (children in node) == is_branch), MISSING)
                for is_branch in (True, False)
            ]
            heads.append(f"{name_of((key,))}={_either(both[0])}|{_either(both[1])}")
        else:
            heads.append(name_of((key,)))
            with_cells.append(key)
    lines = ["\t".join(heads)]
    room: int | None = None
    for depth, node in flat:
        is_branch = children in node
        name = _label(node[label]) + ("/" if is_branch else "")
        cells = [cell_of(node[key]) if key in node else "" for key in with_cells]
        if depth == room and not is_branch and not with_cells:
            lines[-1] += f" {name}"
        else:
            lines.append("\t".join([" " * depth + name, *cells]))
            # Leaves go on with the line of their folder, or of the leaves before them.
            room = depth + 1 if is_branch else depth
    return lines


def read_tree(lines: Sequence[str]) -> list[JsonObject]:
    """The nodes that `tree_lines` wrote."""
    label_name, children_name, *rest = lines[0].split("\t")
    (label,), (children,) = path_at(label_name)[0], path_at(children_name)[0]
    heads = [_read_attribute(entry) for entry in rest]
    roots: list[JsonObject] = []
    inside: list[list[JsonObject]] = [roots]
    for line in lines[1:]:
        first, *cells = line.split("\t")
        depth = len(first) - len(first.lstrip(" "))
        for name, is_branch in _read_labels(first[depth:]):
            node: JsonObject = {label: name}
            waiting = iter(cells)
            for key, fixed in heads:
                if fixed is not None:
                    value = fixed[0] if is_branch else fixed[1]
                else:
                    cell = next(waiting)
                    value = value_of(cell) if cell else MISSING
                if not isinstance(value, Missing):
                    node[key] = value
            if depth >= len(inside):
                raise UnreadableTableError(f"{line[:80]!r} is deeper than what is above it.")
            inside[depth].append(node)
            del inside[depth + 1 :]
            if is_branch:
                node[children] = []
                inside.append(node[children])
                depth += 1
    return roots


def _read_attribute(entry: str) -> tuple[str, tuple[Json, Json] | None]:
    (key,), at = path_at(entry)
    if at == len(entry):
        return key, None
    branch, at = _read_either(entry, at + 1)
    leaf, _ = _read_either(entry, at + 1)
    return key, (branch, leaf)


def _either(value: Json) -> str:
    return "" if isinstance(value, Missing) else cell_json(value)


def _read_either(entry: str, at: int) -> tuple[Json, int]:
    return (MISSING, at) if entry[at : at + 1] in {"", "|"} else json_at(entry, at)


def _is_label(value: Json) -> bool:
    return isinstance(value, str)


def _label(name: str) -> str:
    return name if _is_plain(name) and not name.endswith("/") else json.dumps(name)


def _read_labels(text: str) -> Iterator[tuple[str, bool]]:
    """The names on a line, and whether each is a branch; only the first can be."""
    at = 0
    while at <= len(text):
        if text.startswith('"', at):
            name, at = json_at(text, at)
        else:
            end = text.find(" ", at)
            end = len(text) if end < 0 else end
            name = text[at : end - 1] if text[at:end].endswith("/") else text[at:end]
            at += len(name)
        is_branch = text.startswith("/", at)
        yield str(name), is_branch
        at += 2 if is_branch else 1
