"""A form as it was filled in: what was typed, kept as it is, and what is wrong with which field."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TypeGuard, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from toolhone.models import Json
from toolhone.server.dashboard.formats import number

M = TypeVar("M", bound=BaseModel)

LONGEST = 20_000
"""Characters that are read of a field: what was typed is kept with what was begun by it, and shown again."""

SAID: Mapping[str, str] = {
    "missing": "This is needed.",
    "enum": "Choose one of the list.",
    "int_parsing": "This is no whole number.",
    "int_parsing_size": "This is no whole number.",
    "int_from_float": "This is no whole number.",
    "float_parsing": "This is no number.",
    "bool_parsing": "Choose one of the list.",
    "finite_number": "This is no number.",
    "greater_than_equal": "Write {ge} or more.",
    "less_than_equal": "Write {le} or less.",
    "greater_than": "Write more than {gt}.",
    "less_than": "Write less than {lt}.",
    "string_too_long": "Write {max_length} characters at most.",
}
"""What is said of a value, by pydantic's name of what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What a form is shown with."""

    values: Mapping[str, str]
    errors: Mapping[str, str] = field(default_factory=dict[str, str])
    """What is wrong, by the name of the field."""
    problem: str = ""
    """What is wrong with no field of its own."""

    @property
    def status(self) -> int:
        """Of the answer that shows it."""
        return 422 if self.errors or self.problem else 200


async def typed(request: Request, names: Collection[str]) -> dict[str, str]:
    """What was typed into these fields of a form that is posted; empty where nothing was."""
    form = await request.form()
    return {name: _text(form.get(name))[:LONGEST] for name in names}


def asked(request: Request, names: Collection[str]) -> dict[str, str]:
    """What the address says about these fields; nothing of those that it does not name."""
    return {name: request.query_params[name] for name in names if name in request.query_params}


def defaults(model: type[BaseModel], names: Collection[str]) -> dict[str, str]:
    """What these fields are if nobody says otherwise, as one would type it."""
    return {name: written(model.model_fields[name].get_default()) for name in names}


def checked(model: type[M], given: Mapping[str, Json]) -> tuple[M | None, dict[str, str]]:
    """What these values make, and what is wrong with which of them. What is empty takes its default."""
    said = {
        name: value for name, value in given.items() if not (isinstance(value, str) and not value.strip())
    }
    try:
        return model.model_validate(said), {}
    except ValidationError as exc:
        wrong: dict[str, str] = {}
        for error in exc.errors(include_url=False):
            words = SAID.get(error["type"], "{msg}.")
            bounds = {
                name: number(bound) for name, bound in error.get("ctx", {}).items() if _is_number(bound)
            }
            wrong.setdefault(str(error["loc"][0]), words.format(msg=error["msg"], **bounds))
        return None, wrong


def refused(
    values: Mapping[str, str], code: str, message: str, places: Mapping[str, str], *, about: str | None = None
) -> Filled:
    """The form with what a service said against it, beside the field that it is about.

    Args:
        places: The field that an error is about, by its code. A message that begins with the name of a
            field is about that one.
        about: The field that it says itself to be about.
    """
    place = about or next((name for name in values if message.startswith(name)), places.get(code))
    if place is None:
        return Filled(values=values, problem=message)
    return Filled(values=values, errors={place: message})


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def written(value: Json) -> str:
    """A value as one would type it."""
    if value is True or value is False:
        return "yes" if value else "no"
    return f"{value:.15g}" if isinstance(value, float) else str(value)
