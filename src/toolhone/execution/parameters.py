"""Which parameters a schema declares, and arguments that name none of them. Pure.

JSON Schema lets unknown keys pass unless a schema forbids them, and most schemas say nothing about it. If
all parameters are optional too, a misspelled or nested call is valid, and the tool would run as if it had
been given nothing.
"""

from toolhone.json_values import is_array, is_object
from toolhone.models import Json, JsonObject

_SAYS_MORE = {"additionalProperties", "unevaluatedProperties", "patternProperties", "$ref", "$dynamicRef"}
"""With one of these a schema has said what else may be given, or says it in another place."""

_ALL_OF = ("allOf", "anyOf", "oneOf")
_ONE_OF = ("if", "then", "else")


def names_none(schema: JsonObject, arguments: JsonObject) -> frozenset[str]:
    """The parameters there are, if the arguments name only others and the schema does not expect others.

    Empty if there is nothing wrong of this kind.
    """
    known = declared(schema)
    if not arguments or not known or not known.isdisjoint(arguments):
        return frozenset()
    return known


def declared(schema: JsonObject) -> frozenset[str]:
    """The parameters that the schema declares; empty if others may be meant as well."""
    found = _collected(schema)
    return frozenset() if found is None else frozenset(found)


def _collected(schema: Json) -> set[str] | None:
    names: set[str] = set()
    waiting = [schema]
    while waiting:
        part = waiting.pop()
        if not is_object(part):
            continue
        if _SAYS_MORE & part.keys():
            return None
        properties = part.get("properties")
        if is_object(properties):
            names.update(properties)
        for key in _ALL_OF:
            branches = part.get(key)
            if is_array(branches):
                waiting.extend(branches)
        waiting.extend(part[key] for key in _ONE_OF if key in part)
        dependent = part.get("dependentSchemas")
        if is_object(dependent):
            waiting.extend(dependent.values())
    return names
