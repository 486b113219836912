"""Expand `${VAR}`, `${VAR:-default}` and `${env:VAR}` in configuration and tool files."""

import re
from collections.abc import Mapping

from toolhone.exceptions import ConfigurationError, UnsetVariableError

REFERENCE = re.compile(r"\$\{([^{}]*)\}")
_NAME = re.compile(r"(?:env:)?([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)
_EDITOR_FORMS = ("workspaceFolder", "file", "userHome", "pathSeparator", "cwd", "/")


def expand(text: str, environ: Mapping[str, str]) -> str:
    """The text with every reference replaced once. `$VAR` without braces stays as it is, as in hosts.

    Values are not searched for references again.

    Raises:
        UnsetVariableError: A variable is not set and its reference has no default.
        ConfigurationError: Something between `${` and `}` is not a reference.
    """
    return REFERENCE.sub(lambda match: look_up(match[1], environ), text)


def look_up(reference: str, environ: Mapping[str, str]) -> str:
    """The value of what stands between `${` and `}`. As in a shell, `:-` also replaces an empty value.

    Raises:
        UnsetVariableError: The variable is not set and has no default; `data["variable"]` names it.
        ConfigurationError: This is a form that only an editor can fill in, or no reference at all.
    """
    match = _NAME.fullmatch(reference)
    # `${cwd}` looks like a variable, so the environment goes first.
    if match is None or (reference in _EDITOR_FORMS and reference not in environ):
        raise ConfigurationError(_explain(reference), data={"reference": reference})
    name: str = match[1]
    default: str | None = match[2]
    value = environ.get(name)
    if value is None or (value == "" and default is not None):
        value = default
    if value is None:
        raise UnsetVariableError(
            f"The environment variable {name!r} is not set; set it, or write ${{{name}:-default}}.",
            data={"variable": name},
        )
    return value


def _explain(reference: str) -> str:
    if reference.startswith("input:"):
        return (
            f"'${{{reference}}}' is a question VS Code asks its user, which toolhone cannot. "
            "Put the answer into an environment variable and write ${env:NAME}."
        )
    if reference.startswith(_EDITOR_FORMS):
        return f"'${{{reference}}}' is known only inside an editor; write the path itself, or ${{env:NAME}}."
    return f"'${{{reference}}}' is not a variable; write ${{NAME}}, ${{NAME:-default}} or ${{env:NAME}}."
