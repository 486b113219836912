"""docs/reference/rest.md and rest-bodies.md: every endpoint and every body, from the OpenAPI document."""

from functools import cache
from itertools import groupby

from fastapi import FastAPI

from documentation.json_types import fields, in_words
from documentation.markdown import anchor, code, head, json_block, paragraphs, plain, table, text_of
from toolhone.models import JsonObject
from toolhone.server.api.openapi import ANY, WITH_BODY, completed
from toolhone.server.api.routes import api_routes
from toolhone.server.permissions_table import endpoints

BODIES = "rest-bodies.md"
JSON = "application/json"
LONGEST = 24
"""Lines of an example of an answer; the fields of a longer one are in the list of bodies."""

SCHEMAS = "#/components/schemas/"


@cache
def document() -> JsonObject:
    """The OpenAPI document, as the server gives it out."""
    api = FastAPI(title="toolhone", routes=api_routes())
    return completed(api.openapi())


def rendered() -> str:
    lines = head(
        "REST",
        "Send a token as `Authorization: Bearer TOKEN` ([who may come in](../access.md)). The OpenAPI "
        "document is at `/api/v1/openapi.json`.",
    )
    always, with_body = (", ".join(map(str, statuses)) for statuses in (ANY, WITH_BODY))
    lines += [
        "",
        f"Every endpoint can answer {always}, and {with_body} where there is a body; other errors are named "
        "with it. The body of an error is a `Problem` (RFC 9457) with a stable `code`: "
        "[errors](errors.md) has all of them.",
        "",
        "- **Pages**: where a list has `next_cursor`, send it as `cursor` with the same filters for the next "
        "page. A list without it is whole.",
        "- **Idempotency**: where `Idempotency-Key` is taken, the same request with the same key takes "
        "effect once and is answered alike for 24 hours. Tokens and uploads refuse it; everything else may "
        "be sent twice.",
        "- **ETags**: where `If-None-Match` is taken, an answer that you have already is a 304.",
    ]
    permissions = {(entry.method, _path(entry.name)): entry.takes for entry in endpoints()}
    operations = [
        (method.upper(), path, operation)
        for path, methods in document()["paths"].items()
        for method, operation in methods.items()
    ]
    order = list(dict.fromkeys(operation["tags"][0] for _, _, operation in operations))
    operations.sort(key=lambda one: order.index(one[2]["tags"][0]))
    for tag, group in groupby(operations, key=lambda one: one[2]["tags"][0]):
        lines += ["", f"## {tag.capitalize()}"]
        for method, path, operation in group:
            lines += _endpoint(method, path, operation, permissions[method, path])
    return text_of(lines)


def _path(path: str) -> str:
    return path.replace(":path}", "}")


def _endpoint(method: str, path: str, operation: JsonObject, permission: str) -> list[str]:
    lines = ["", f"### {method} {path}", "", f"**{plain(operation['summary'])}.** Takes `{permission}`."]
    lines += paragraphs(operation.get("description", ""))
    parameters: list[JsonObject] = operation.get("parameters", [])
    rows = [
        (code(one["name"]), one["in"], *_parameter(one), plain(one.get("description", "")))
        for one in parameters
    ]
    lines += table(("parameter", "in", "", "default", ""), rows)
    if body := operation.get("requestBody"):
        lines += _body(body)
    for status, answer in operation["responses"].items():
        if int(status) < 400:
            lines += _answer(status, answer)
    known = {*ANY, *(WITH_BODY if "requestBody" in operation else ())}
    answers: dict[str, JsonObject] = operation["responses"]
    if own := [_error(status, answer) for status, answer in answers.items() if _own(status, known)]:
        lines += ["", f"Errors besides: {'; '.join(own)}."]
    return lines


def _own(status: str, known: set[int]) -> bool:
    return int(status) >= 400 and int(status) not in known


def _parameter(parameter: JsonObject) -> tuple[str, str]:
    schema: JsonObject = parameter["schema"]
    ((_, kind, needed, _),) = fields(
        {"properties": {"value": schema}, "required": ["value"] if parameter["required"] else []}, _link
    )
    return kind.replace(" or null", ""), needed


def _body(body: JsonObject) -> list[str]:
    lines: list[str] = []
    described = plain(body.get("description", ""))
    for media, content in body["content"].items():
        lines += ["", f"Body: {_kind(media, content)}. {described}".strip()]
        example = _example(content)
        if example is not None and media == JSON:
            lines += json_block(example)
    return lines


def _answer(status: str, answer: JsonObject) -> list[str]:
    said = answer.get("description", "")
    described = "" if said == "Successful Response" else f" {plain(said)}"
    content: dict[str, JsonObject] = answer.get("content", {})
    kinds = ", or ".join(_kind(media, one) for media, one in content.items())
    lines = ["", f"Answers {status}: {kinds}.{described}" if kinds else f"Answers {status}.{described}"]
    example = _example(content.get(JSON, {}))
    if example is not None:
        shown = json_block(example)
        lines += shown if "\n".join(shown).count("\n") <= LONGEST else []
    return lines


def _kind(media: str, content: JsonObject) -> str:
    return in_words(content["schema"], _link) + ("" if media == JSON else f" as `{media}`")


def _error(status: str, answer: JsonObject) -> str:
    said = answer.get("description") or _responses()[answer["$ref"].rpartition("/")[2]]["description"]
    return f"{status} ({plain(said).rstrip('.')})"


def _responses() -> dict[str, JsonObject]:
    return document()["components"]["responses"]


def _example(content: JsonObject) -> JsonObject | None:
    if "example" in content:
        return content["example"]
    if given := content.get("examples"):
        return next(iter(given.values()))["value"]
    schema: JsonObject = content.get("schema", {})
    if reference := schema.get("$ref"):
        schema = document()["components"]["schemas"][reference.removeprefix(SCHEMAS)]
    return next(iter(schema.get("examples", ())), None)


def _link(name: str) -> str:
    return f"[{_title(name)}]({BODIES}#{anchor(_title(name))})"


def _title(name: str) -> str:
    """`Page_Job_` is how `Page[Job]` is spelled where it may have no brackets."""
    return name.replace("Page_", "Page of ").rstrip("_")


def bodies() -> str:
    """The page of all bodies, by name."""
    lines = head("REST: bodies", "What the [endpoints](rest.md) take and answer, field by field.")
    for name, schema in sorted(document()["components"]["schemas"].items()):
        lines += ["", f"## {_title(name)}", *paragraphs(schema.get("description", ""))]
        rows = [(field, kind, needed, plain(text)) for field, kind, needed, text in fields(schema, _local)]
        lines += table(("field", "", "default", ""), rows) or ["", f"One of: {in_words(schema, _local)}."]
    return text_of(lines)


def _local(name: str) -> str:
    return _link(name).replace(BODIES, "")
