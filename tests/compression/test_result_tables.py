"""Results as tables: nothing is lost, nothing gets larger, and what repeats is said once."""

import contextlib
import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.compression.cells import (
    UnreadableTableError,
    cell_of,
    minified,
    template_parts,
    template_text,
    value_of,
)
from toolhone.compression.tables import decode_result, encode_result
from toolhone.models import canonical_json
from toolhone.tokens import count_tokens

Json = Any

HOSTILE = [
    "",
    "!",
    "=",
    "~",
    "\t",
    "a\tb",
    "a\nb",
    "\r",
    "@1",
    "@@2",
    "1",
    "1.0",
    "-0",
    "true",
    "null",
    "[",
    "{x}",
    "[1]",
    '"',
    '"a"',
    "\\",
    " a",
    "a ",
    "\u2028",
    "\ud800",
    "ü",
    "/",
    "a/b",
    "./",
    "./a",
    "# x",
    "= a",
    "{}",
    "\\u0041",
    "x" * 130 + "\n" + "@2 text 3",
    "[WIP] a",
]
KEYS = [
    "id",
    "name",
    "url",
    "a.b",
    "a",
    "b",
    "",
    "=",
    "~x",
    "?",
    "@2",
    ":text",
    "k\tk",
    "children",
    '"',
    "{",
    "\ud800",
    "ö é",
]

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 300),
    st.sampled_from([0.0, -0.0, 1.0, 0.1, 1e300, 10**30]),
    st.sampled_from(HOSTILE),
    st.text(max_size=8),
)
keys = st.one_of(st.sampled_from(KEYS), st.text(max_size=3))
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=6), st.dictionaries(keys, inner, max_size=6)),
    max_leaves=40,
)


@st.composite
def row_lists(draw: st.DrawFn) -> Json:
    """Rows that have much in common, as real results do, with some that do not."""
    names = draw(st.lists(keys, min_size=1, max_size=6, unique=True))
    shared = draw(st.dictionaries(keys, values, max_size=3))
    people = draw(st.lists(st.dictionaries(keys, scalars, min_size=3, max_size=4), min_size=1, max_size=2))
    rows: list[Json] = []
    for number in range(draw(st.integers(2, 12))):
        row: dict[str, Json] = dict(shared)
        for name in names:
            kind = draw(st.integers(0, 8))
            if kind == 0:
                continue
            if kind == 1:
                row[name] = draw(scalars)
            elif kind == 2:
                row[name] = draw(st.sampled_from(people))
            elif kind == 3:
                row[name] = [draw(st.sampled_from(people)) for _ in range(draw(st.integers(0, 2)))]
            elif kind == 4:
                row[name] = {"id": number, "url": f"https://x.example/{number}/{name}"}
            else:
                row[name] = f"https://x.example/{number}/{{{name}}}" if kind % 2 else draw(scalars)
        rows.append(row)
    wrapped = draw(st.integers(0, 3))
    if wrapped == 1:
        return {"total": 3, "items": rows, "text": json.dumps(rows, indent=2)}
    return {str(index): row for index, row in enumerate(rows)} if wrapped == 2 else rows


@st.composite
def trees(draw: st.DrawFn) -> Json:
    names = st.one_of(st.sampled_from(HOSTILE), st.sampled_from(["src", "a b", "x.py", "d/"]))

    def node(depth: int) -> Json:
        made: dict[str, Json] = {"name": draw(names), "type": draw(st.sampled_from(["d", "d", 1]))}
        if depth < 3 and draw(st.booleans()):
            made["children"] = [node(depth + 1) for _ in range(draw(st.integers(0, 3)))]
        return made

    return [node(0) for _ in range(draw(st.integers(1, 4)))]


path_lists = st.lists(
    st.one_of(
        st.lists(st.sampled_from(["src", "a", "b c", ".", "", "x.py", '"q"']), min_size=1, max_size=4).map(
            "/".join
        ),
        st.sampled_from(HOSTILE),
    ),
    min_size=4,
    max_size=20,
)


def same(one: Json, other: Json) -> bool:
    return canonical_json(one) == canonical_json(other)


@settings(deadline=None, max_examples=150)
@given(
    st.one_of(
        values, row_lists(), trees(), path_lists, path_lists.map(lambda paths: {"content": "\n".join(paths)})
    )
)
def test_a_result_comes_back_exactly_and_never_gets_larger(value: Json) -> None:
    encoded = encode_result(value, count_tokens, smallest=0)

    assert same(decode_result(encoded.text), value)
    assert count_tokens(encoded.text) <= count_tokens(minified(value))
    assert encode_result(value, count_tokens, smallest=0) == encoded


@settings(deadline=None, max_examples=100)
@given(st.one_of(row_lists(), trees(), path_lists))
def test_tables_themselves_are_right_also_where_json_would_be_shorter(value: Json) -> None:
    # Every character counted for little, JSON's quotes for much: tables are then always tried first.
    def count(text: str) -> int:
        return len(text) + 40 * text.count('":')

    assert same(decode_result(encode_result(value, count, smallest=0).text), value)


@settings(deadline=None)
@given(st.one_of(scalars, values))
def test_a_cell_says_what_it_was_made_from(value: Json) -> None:
    cell = cell_of(value)

    assert "\t" not in cell and "\n" not in cell
    assert same(value_of(cell), value)


@settings(deadline=None)
@given(st.lists(st.one_of(st.text(min_size=1), st.lists(keys, max_size=3).map(tuple)), max_size=5))
def test_a_template_says_what_it_was_made_from(parts: list[Json]) -> None:
    joined: list[Json] = []
    for part in parts:
        if joined and isinstance(part, str) and isinstance(joined[-1], str):
            joined[-1] += part
        else:
            joined.append(part)

    assert template_parts(template_text(joined)) == joined


@settings(deadline=None, max_examples=100)
@given(
    st.text(),
    st.sampled_from(["# x\n@1 table 2\n", "# x\n= ", "# x\n@1 tree 1\n", "# x\n@1 json 1 2\n", "#"]),
)
def test_any_other_text_is_refused_with_one_kind_of_error(text: str, start: str) -> None:
    with contextlib.suppress(UnreadableTableError):
        decode_result(start + text)


def test_tiny_results_are_left_as_they_are() -> None:
    rows = [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]

    assert encode_result(rows, count_tokens) == encode_result(rows, count_tokens)
    assert encode_result(rows, count_tokens).text == minified(rows)


def people(generator: random.Random) -> list[Json]:
    found: list[Json] = []
    for login in ("anna-k", "tlin", "dev42", "mo_s", "helper[bot]"):
        number = generator.randrange(1000, 10**8)
        url = f"https://forge.example/api/users/{login}"
        found.append(
            {
                "login": login,
                "id": number,
                "avatar_url": f"https://faces.example/u/{number}?v=4",
                "url": url,
                "html_url": f"https://forge.example/{login}",
                **{f"{name}_url": f"{url}/{name}" for name in ("followers", "gists", "repos", "events")},
                "hooks_url": url + "/hooks{/hook_id}",
                "type": "Bot" if login.endswith("[bot]") else "User",
                "site_admin": False,
            }
        )
    return found


def issues(count: int) -> list[Json]:
    generator = random.Random(count)
    users = people(generator)
    words = ["parse", "error", "when", "header", "missing", "retry", "stream", "cache", "update", "docs"]
    labels = [{"id": i, "name": name, "color": f"{i:06x}"} for i, name in enumerate(words)]
    rows: list[Json] = []
    for number in range(100, 100 + count):
        url = f"https://forge.example/api/repos/acme/kiln/issues/{number}"
        rows.append(
            {
                "url": url,
                "comments_url": f"{url}/comments",
                "labels_url": url + "/labels{/name}",
                "html_url": f"https://forge.example/acme/kiln/issues/{number}",
                "number": number,
                "title": " ".join(generator.choices(words, k=6)),
                "user": generator.choice(users),
                "labels": generator.sample(labels, generator.randrange(3)),
                "assignee": generator.choice([None, None, users[0]]),
                "milestone": None,
                "locked": False,
                "score": 1.0,
                "body": "\n".join(" ".join(generator.choices(words, k=8)) for _ in range(2)),
            }
        )
    return rows


@pytest.mark.parametrize("wrapped", [False, True])
def test_rows_with_people_and_many_urls_get_much_smaller(wrapped: bool) -> None:
    value: Json = {"total_count": 900, "items": issues(30)} if wrapped else issues(30)

    encoded = encode_result(value, count_tokens)

    assert encoded.form == "table"
    assert same(decode_result(encoded.text), value)
    assert count_tokens(minified(value)) > 3.5 * count_tokens(encoded.text)
    assert "comments_url~{url}/comments" in encoded.text
    assert "milestone=null" in encoded.text


def test_one_object_with_urls_made_of_its_own_fields_gets_smaller() -> None:
    person = people(random.Random(1))[0]

    encoded = encode_result(person, count_tokens)

    assert "followers_url~{url}/followers" in encoded.text
    assert same(decode_result(encoded.text), person)


def test_a_column_keeps_its_exceptions() -> None:
    rows = [{"login": f"user{i}", "page": f"https://x.example/user{i}", "ok": True} for i in range(20)]
    rows[7]["page"] = "https://x.example/apps/user7"
    rows[9]["page"] = None  # type: ignore[assignment]
    del rows[11]["page"]

    encoded = encode_result(rows, count_tokens)

    assert "page?~https://x.example/{login}" in encoded.text
    assert same(decode_result(encoded.text), rows)


def test_values_that_look_alike_stay_different() -> None:
    looks: list[Json] = [1, 1.0, True, "1", "1.0", "true", None, "null", "", [], {}, "[]", "{}", "!"]
    rows: list[Json] = [{"name": f"number {i}", "value": look} for i, look in enumerate(looks)]
    rows += [{"name": f"number {i}"} for i in range(20, 30)]

    encoded = encode_result(rows, count_tokens)

    assert encoded.form != "json"
    assert same(decode_result(encoded.text), rows)


def test_a_folder_tree_and_a_list_of_paths_are_written_by_folder() -> None:
    tree = [
        {
            "name": "src",
            "type": "directory",
            "children": [{"name": f"file{i}.py", "type": "file"} for i in range(30)],
        }
    ]
    paths = [f"/srv/demo/src/part{i // 5}/file{i}.py" for i in range(30)]

    for value in (tree, paths, {"content": "\n".join(paths)}, {"content": json.dumps(tree, indent=2)}):
        encoded = encode_result(value, count_tokens)
        assert same(decode_result(encoded.text), value)
        assert count_tokens(minified(value)) > 2 * count_tokens(encoded.text)


def test_deep_nesting_and_wide_maps_are_safe() -> None:
    deep: Json = []
    for _ in range(400):
        deep = [deep, {"a": [1, {"b": 2}]}]
    wide: Json = [{f"key{row}_{column}": column for column in range(40)} for row in range(60)]
    chain: Json = {"name": "x", "children": []}
    for _ in range(100):
        chain = {"name": "x", "children": [chain]}

    for value in (deep, wide, [chain], {"rows": wide}):
        assert same(decode_result(encode_result(value, count_tokens).text), value)


def test_the_first_line_explains_only_what_is_used() -> None:
    rows = [{"id": i * 7, "name": f"{i * i} things", "size": i * 31} for i in range(40)]

    first = encode_result(rows, count_tokens).text.split("\n")[0]

    assert "{b}" not in first and "@" not in first
