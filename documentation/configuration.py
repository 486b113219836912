"""docs/reference/settings.md: every setting with its variable, default, bounds and meaning."""

from typing import cast

from documentation.json_types import in_words
from documentation.markdown import code, head, plain, table, text_of
from toolhone.models import Json, JsonObject
from toolhone.server.dashboard.meanings import meanings_of
from toolhone.settings import PREFIX, Settings

USERS: dict[str, str] = {
    "config": "`mcp.json` in the configuration folder",
    "registry": "`tool_registry` in the configuration folder",
    "data": "the user's data folder",
}
"""Defaults that depend on whose machine it is."""


def rendered() -> str:
    schema = Settings.model_json_schema()
    properties: dict[str, JsonObject] = schema["properties"]
    definitions: dict[str, JsonObject] = schema.get("$defs", {})
    meanings = meanings_of(Settings)

    def named(name: str) -> str:
        return in_words(definitions[name])

    rows = [
        (
            f"`{PREFIX}{name.upper()}`",
            USERS.get(name) or _default(field.get("default")),
            in_words(field, named).replace(" or null", ""),
            plain(meanings.get(name, "")),
        )
        for name, field in properties.items()
    ]
    lines = head(
        "Settings",
        "An option of a command beats a `TOOLHONE_*` variable, which beats `settings.toml` in the "
        f"configuration folder (`{PREFIX}SETTINGS` names another file). There, `{PREFIX}CALL_TIMEOUT` is "
        "called `call_timeout`. Sizes are bytes, times are seconds. "
        "In a variable, an object is written as JSON, and a list of names with commas. `toolhone --help` "
        "ends with where your folders are, and the dashboard's page of settings says where each came from.",
    )
    return text_of([*lines, *table(("variable", "default", "takes", ""), rows)])


def _default(value: Json) -> str:
    if value in ({}, []):
        return "empty"
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return code(", ".join(f"{name}: {one}" for name, one in cast(JsonObject, value).items()))
    return code(value) if isinstance(value, str) else f"{value:,}" if value == int(value) else str(value)
