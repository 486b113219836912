"""Tools that are one HTTP request: from arguments to the request, and from the answer to the output."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import quote, urlencode

from toolhone import __version__
from toolhone.exceptions import ConfigurationError, InvalidArgumentsError, ToolFailedError
from toolhone.models import Json, JsonObject, ProgressReporter, ToolDefinition, ToolOutput
from toolhone.pointers import pointer
from toolhone.registry.addresses import Resolve, resolve_host
from toolhone.registry.outputs import json_output, text_block
from toolhone.registry.schema import ArgumentPart, HttpHandlerPart, Method, Place
from toolhone.registry.schema_checks import Issue
from toolhone.registry.url_template import UrlTemplate, as_text
from toolhone.registry.variables import expand

ERROR_BODY_CHARACTERS = 2000
"""How much of an error's body the caller is shown."""

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_IN_PATH, _IN_QUERY, _IN_BODY = (
    ArgumentPart.model_validate({"in": place}) for place in (Place.PATH, Place.QUERY, Place.BODY)
)
_BODY_METHODS = frozenset({Method.POST, Method.PUT, Method.PATCH})
_RESERVED_HEADERS = frozenset(
    {
        "connection",
        "content-length",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """One request, ready to be sent. Holds secrets: never log it."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    content: bytes | None
    shown_as: str
    """Method and URL as the tool's file spells them, for messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """What came back. `body` is whole, except for an error status, where it may be the beginning."""

    status: int
    reason: str
    location: str | None
    encoding: str
    body: bytes


class HttpHandler:
    """An `http` handler of a tool file.

    Build it only if `http_issues` found nothing.
    """

    def __init__(
        self,
        part: HttpHandlerPart,
        input_schema: JsonObject,
        environ: Mapping[str, str],
        *,
        resolve: Resolve = resolve_host,
    ) -> None:
        self._part = part
        self._defaults = _defaults(input_schema)
        self._resolve = resolve
        self._shown_as = f"{part.method} {part.url}"
        # Expanded once: a variable that changes later takes a reload, as every other part of the file.
        self._url = UrlTemplate(part.url, environ)
        self._headers = {
            "Accept": "application/json" if part.response.format == "json" else "*/*",
            "User-Agent": f"toolhone/{__version__}",
        } | {name.title(): expand(value, environ) for name, value in part.headers.items()}

    async def call(
        self,
        definition: ToolDefinition,
        arguments: JsonObject,
        report_progress: ProgressReporter | None,
    ) -> ToolOutput:
        """Send the request. A status that is not a success gives an output with `is_error`.

        Raises:
            InvalidArgumentsError: An argument cannot go where it belongs.
            PermissionDeniedError: The host has an address that is not public.
            ServerUnavailableError: Nothing was sent.
            CallTimeoutError: The time limit passed after the request was sent.
            ConnectionLostError: The connection broke after the request was sent.
            ToolFailedError: The answer cannot be read as the tool's file says.
        """
        # Only when a call needs it: finding tools must not pay for an HTTP client.
        from toolhone.registry.http_client import send

        answer = await send(
            self.request(arguments),
            resolve=self._resolve,
            allow_private=self._part.allow_private_addresses,
            timeout_seconds=self._part.timeout_seconds,
            max_bytes=self._part.response.max_bytes,
        )
        return self.output(answer, declared=definition.output_schema is not None)

    def request(self, arguments: JsonObject) -> HttpRequest:
        """The request for these arguments.

        Raises:
            InvalidArgumentsError: An argument cannot go where it belongs.
        """
        values = {name: self._defaults[name] for name in self._url.names if name in self._defaults}
        values |= arguments
        headers = dict(self._headers)
        query: list[tuple[str, str]] = []
        body: JsonObject = {}
        for name, value in values.items():
            part = _place(self._part, name, self._url.names)
            target = part.name or name
            if value is None and part.place is not Place.BODY:
                continue  # Only JSON can say null; elsewhere it is left out.
            match part.place:
                case Place.PATH:
                    pass  # The template takes it.
                case Place.QUERY:
                    items = cast("list[Json]", value) if isinstance(value, list) else [value]
                    query.extend((target, as_text(item)) for item in items)
                case Place.BODY:
                    body[target] = value
                case Place.HEADER:
                    headers[target.title()] = _header_value(name, value)
        content = None
        try:
            url = self._url.render(values)
            if query:
                url += ("&" if self._url.has_query else "?") + urlencode(query, quote_via=quote, safe="")
            if self._part.method in _BODY_METHODS:
                headers["Content-Type"] = "application/json"
                content = json.dumps(body, ensure_ascii=False).encode()
        except UnicodeEncodeError as exc:
            raise InvalidArgumentsError("The arguments hold half a character (a lone surrogate).") from exc
        return HttpRequest(
            method=self._part.method, url=url, headers=headers, content=content, shown_as=self._shown_as
        )

    def output(self, answer: HttpAnswer, *, declared: bool) -> ToolOutput:
        """The answer, read as the tool's file says.

        Raises:
            ToolFailedError: It is not JSON, or has nothing at the pointer.
        """
        if not 200 <= answer.status < 300:
            return self._error_output(answer)
        if not answer.body:
            return ToolOutput(content=(text_block(f"HTTP {answer.status} {answer.reason}, no content"),))
        if self._part.response.format == "text":
            return json_output(answer.body.decode(answer.encoding, "replace"), declared=declared)
        try:
            value: Json = json.loads(answer.body, parse_constant=_no_constant)
        except (ValueError, RecursionError) as exc:
            raise ToolFailedError(
                f"{self._shown_as} answered HTTP {answer.status} with what is not JSON ({exc})."
            ) from exc
        return json_output(self._pointed(value), declared=declared)

    def _pointed(self, value: Json) -> Json:
        walked = ""
        for token in self._part.response.pointer.split("/")[1:]:
            key = token.replace("~1", "/").replace("~0", "~")
            if isinstance(value, dict) and key in value:
                value = cast("JsonObject", value)[key]
            elif isinstance(value, list) and key.isdecimal() and int(key) < len(cast("list[Json]", value)):
                value = cast("list[Json]", value)[int(key)]
            else:
                raise ToolFailedError(
                    f"{self._shown_as} answered JSON without {self._part.response.pointer!r}: "
                    f"at {walked!r} there is {_what(value)}."
                )
            walked += "/" + token
        return value

    def _error_output(self, answer: HttpAnswer) -> ToolOutput:
        lines = [f"{self._shown_as} answered HTTP {answer.status} {answer.reason}".rstrip() + "."]
        if answer.location is not None:
            lines.append(f"It points to {answer.location!r}; redirects are not followed.")
        body = answer.body.decode(answer.encoding, "replace")
        if body:
            cut = len(body) > ERROR_BODY_CHARACTERS
            lines.append(f"Its body{f', first {ERROR_BODY_CHARACTERS} characters' if cut else ''}:")
            lines.append(body[:ERROR_BODY_CHARACTERS])
        return ToolOutput(content=(text_block("\n".join(lines)),), is_error=True)


def http_issues(part: HttpHandlerPart, input_schema: JsonObject, environ: Mapping[str, str]) -> list[Issue]:
    """What is wrong with an HTTP handler, beyond its form."""
    issues: list[Issue] = []
    for name, value in part.headers.items():
        field = pointer(["handler", "headers", name])
        try:
            _header_value(name, expand(value, environ))
        except ConfigurationError as exc:
            issues.append(Issue(field, exc.message))
        except InvalidArgumentsError:
            issues.append(Issue(field, "its value has characters a header cannot carry"))
        if name.lower() in _RESERVED_HEADERS:
            issues.append(Issue(field, "belongs to the connection and cannot be set"))
    try:
        template = UrlTemplate(part.url, environ)
    except ConfigurationError as exc:
        return [*issues, Issue("/handler/url", exc.message)]
    problem = template.problem()
    if problem is not None:
        issues.append(Issue("/handler/url", problem))
    properties = cast("dict[str, Json]", input_schema.get("properties", {}))
    given = {*cast("list[str]", input_schema.get("required", [])), *_defaults(input_schema)}
    for name in sorted(template.names):
        if name not in properties:
            issues.append(Issue("/handler/url", f"{{{name}}} is not a property of inputSchema"))
        elif name not in given:
            issues.append(Issue("/handler/url", f"{{{name}}} is neither required nor has a default"))
    for name, argument in part.arguments.items():
        field = pointer(["handler", "arguments", name])
        if name not in properties:
            issues.append(Issue(field, "is not a property of inputSchema"))
        if (argument.place is Place.PATH) != (name in template.names):
            issues.append(Issue(f"{field}/in", f'must be "path" if and only if the URL has {{{name}}}'))
        if argument.place is Place.BODY and part.method not in _BODY_METHODS:
            issues.append(Issue(f"{field}/in", f"{part.method} has no body"))
        target = argument.name or name
        if argument.place is Place.HEADER and (
            target.lower() in _RESERVED_HEADERS or not _HEADER_NAME.fullmatch(target)
        ):
            issues.append(Issue(field, f"{target!r} cannot be used as a header"))
    return issues


def _place(part: HttpHandlerPart, name: str, in_url: frozenset[str]) -> ArgumentPart:
    known = part.arguments.get(name)
    if known is not None:
        return known
    if name in in_url:
        return _IN_PATH
    return _IN_BODY if part.method in _BODY_METHODS else _IN_QUERY


def _defaults(input_schema: JsonObject) -> JsonObject:
    properties = cast("dict[str, Json]", input_schema.get("properties", {}))
    return {
        name: schema["default"]
        for name, schema in properties.items()
        if isinstance(schema, dict) and "default" in schema
    }


def _header_value(name: str, value: Json) -> str:
    text = as_text(value)
    if not text.isascii() or any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise InvalidArgumentsError(
            f"The argument {name!r} goes into a header and may hold printable ASCII characters only."
        )
    return text.strip()


def _what(value: Json) -> str:
    if isinstance(value, dict):
        keys = sorted(cast("JsonObject", value))
        return f"an object with the keys {keys[:20]!r}{' and more' if len(keys) > 20 else ''}"
    return f"a {type(value).__name__}"


def _no_constant(name: str) -> Json:
    raise ValueError(f"{name} is not JSON")
