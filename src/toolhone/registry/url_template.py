"""A URL with `{argument}` placeholders that no argument can break out of.

Placeholders stand only in path and query. Values are percent-encoded, and a path segment can become
neither empty nor a dot segment, so host, path structure and query stay as the template has them.
"""

import json
import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote, unquote, urlsplit

from toolhone.exceptions import InvalidArgumentsError
from toolhone.models import Json
from toolhone.registry.variables import look_up

_PART = re.compile(r"\$\{(?P<variable>[^{}]*)\}|\{(?P<argument>[^{}]*)\}")


class UrlTemplate:
    """The template with its variables filled in.

    Raises:
        UnsetVariableError: A variable is not set and has no default.
        ConfigurationError: What stands between `${` and `}` is not a variable.
    """

    def __init__(self, url: str, environ: Mapping[str, str]) -> None:
        # Text, name, text, name, ... text. Variables become text here, so their values are never
        # searched for placeholders.
        pieces = [""]
        position = 0
        for match in _PART.finditer(url):
            pieces[-1] += url[position : match.start()]
            position = match.end()
            if match["argument"] is None:
                pieces[-1] += look_up(match["variable"], environ)
            else:
                pieces += [match["argument"], ""]
        pieces[-1] += url[position:]
        self.names = frozenset(pieces[1::2])
        self._text = "".join(pieces[::2])
        self._before_names = pieces[0]
        in_path, self._query = _split(pieces, "?")
        self._segments: list[list[str]] = []
        rest = in_path
        while rest:
            segment, rest = _split(rest, "/")
            self._segments.append(segment)

    @property
    def has_query(self) -> bool:
        return bool(self._query)

    def render(self, values: Mapping[str, Json]) -> str:
        """The URL for these arguments.

        Raises:
            InvalidArgumentsError: One is missing, is not a scalar, or would change the path's structure.
        """
        path = "/".join(_path_segment(segment, values) for segment in self._segments)
        return f"{path}?{_fill(self._query, values)}" if self._query else path

    def problem(self) -> str | None:
        """Why requests cannot be made from this template, if so."""
        if self.names and not re.match(r"https?://[^/?#]+[/?]", self._before_names):
            return "an {argument} may stand only in path or query, after the host"
        if "{" in self._text or "}" in self._text:
            return "has a brace without its partner"
        try:
            parts = urlsplit(self._text)
            host, _ = parts.hostname, parts.port
        except ValueError as exc:
            return f"is not a URL: {exc}"
        if parts.scheme not in ("http", "https") or not host:
            return "must begin with http:// or https:// and a host"
        if parts.username is not None or parts.password is not None:
            return "must not carry credentials; put them into a header"
        if "#" in self._text:
            return "must not have a #fragment, which is never sent"
        return None


def as_text(value: Json) -> str:
    """A value as it stands in a URL or a header: strings as they are, the rest as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _split(pieces: Sequence[str], separator: str) -> tuple[list[str], list[str]]:
    """Text-name-text pieces before and after the first separator in a text; no second part: `[]`."""
    for index in range(0, len(pieces), 2):
        before, found, after = pieces[index].partition(separator)
        if found:
            return [*pieces[:index], before], [after, *pieces[index + 1 :]]
    return list(pieces), []


def _fill(pieces: Sequence[str], values: Mapping[str, Json]) -> str:
    text = pieces[0]
    for name, following in zip(pieces[1::2], pieces[2::2], strict=True):
        value = values.get(name)
        if value is None or isinstance(value, (dict, list)):
            raise InvalidArgumentsError(
                f"The argument {name!r} goes into the URL and must be a string, number or boolean, "
                f"not {value!r}."
            )
        text += quote(as_text(value), safe="") + following
    return text


def _path_segment(pieces: Sequence[str], values: Mapping[str, Json]) -> str:
    segment = _fill(pieces, values)
    if len(pieces) == 1:
        return segment
    # Some servers decode slashes before they walk the path, so encoded dot segments are refused too.
    if not segment or not {".", ".."}.isdisjoint(re.split(r"[/\\]", unquote(segment))):
        raise InvalidArgumentsError(
            f"The argument {pieces[1]!r} goes into the URL's path, which may not get the part "
            f"{unquote(segment)!r}."
        )
    return segment
