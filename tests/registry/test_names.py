import re
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.registry.names import MAX_NAME, MAX_PREFIX, exposed_names, plain_name, server_prefixes

ANY_NAMES = st.lists(st.text(max_size=80) | st.from_regex(r"[a-zA-Z_.-]{1,70}", fullmatch=True), max_size=8)


def test_a_name_says_server_and_tool() -> None:
    assert exposed_names("git", ["status", "getDiff", "list-all.Branches"]) == {
        "status": "git__status",
        "getDiff": "git__get_diff",
        "list-all.Branches": "git__list_all_branches",
    }


def test_camel_case_digits_and_accents_read_well() -> None:
    assert plain_name("parseHTTPResponse") == "parse_http_response"
    assert plain_name("toSHA256") == "to_sha256"
    assert plain_name("Météo locale") == "meteo_locale"


def test_of_names_that_collide_the_one_spelled_like_the_result_keeps_it() -> None:
    names = exposed_names("web", ["get_page", "getPage", "get-page"])
    assert names["get_page"] == "web__get_page"
    assert len(set(names.values())) == 3
    assert all(name.startswith("web__get_page") for name in names.values())


def test_a_name_without_latin_letters_gets_a_hash_of_itself() -> None:
    names = exposed_names("web", ["天气", "地图"])
    assert len(set(names.values())) == 2
    assert exposed_names("web", ["天气"])["天气"] == names["天气"]


def test_servers_whose_names_collapse_are_told_apart() -> None:
    prefixes = server_prefixes(["my-server", "my_server", "My Server", "a" * 50])
    assert prefixes["my_server"] == "my_server"
    assert len(set(prefixes.values())) == 4
    assert max(map(len, prefixes.values())) <= MAX_PREFIX


@settings(deadline=None)
@given(servers=ANY_NAMES, tools=ANY_NAMES)
def test_names_are_unique_bounded_and_of_the_allowed_letters(servers: list[str], tools: list[str]) -> None:
    prefixes = server_prefixes(servers)
    names = [name for prefix in prefixes.values() for name in exposed_names(prefix, tools).values()]
    assert len(names) == len(set(names)) == len(set(servers)) * len(set(tools))
    assert all(re.fullmatch(r"[a-z0-9_]+", name) and len(name) <= MAX_NAME for name in names)


@settings(deadline=None)
@given(tools=ANY_NAMES, more=ANY_NAMES, seed=st.randoms())
def test_a_name_changes_only_when_one_spelled_alike_appears(
    tools: list[str], more: list[str], seed: Random
) -> None:
    before = exposed_names("server", tools)
    everything = [*tools, *more]
    seed.shuffle(everything)
    after = exposed_names("server", everything)
    spelled_alike = {plain_name(tool) for tool in set(more) - set(tools)}
    for tool in tools:
        if plain_name(tool) not in spelled_alike:
            assert after[tool] == before[tool]
