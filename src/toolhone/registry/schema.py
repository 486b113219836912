"""What a tool file may say: its models, and the JSON Schema that is published from them.

`tool.schema.json` beside this module is `tool_file_schema()` written out, for editors and other
programs; a test keeps the two the same. Loading uses the models alone: jsonschema is slow to import.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import ErrorDetails, core_schema

from toolhone.models import (
    Annotations,
    Category,
    Json,
    JsonObject,
    Limits,
    OutputValidation,
    ToolDefinition,
)
from toolhone.pointers import pointer
from toolhone.registry.schema_checks import Issue

SCHEMA_ID = "urn:toolhone:schema:tool-file"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    @field_validator("*", mode="after")
    @classmethod
    def _no_null(cls, value: Json) -> Json:
        # Runs only for members that are in the file, not for defaults.
        if value is None:
            raise ValueError("must not be null; leave it out instead")
        return value


class AnnotationsPart(_Part):
    """MCP's tool annotations, in their wire names."""

    title: str | None = Field(None, description="The name people see.")
    read_only: bool | None = Field(None, alias="readOnlyHint", description="It changes nothing.")
    destructive: bool | None = Field(None, alias="destructiveHint", description="It may delete or overwrite.")
    idempotent: bool | None = Field(
        None, alias="idempotentHint", description="Doing it twice is the same as doing it once."
    )
    open_world: bool | None = Field(
        None, alias="openWorldHint", description="It reaches beyond this machine."
    )


class LimitsPart(_Part):
    """Bounds on running this tool. What is left out has the global default."""

    max_concurrency: Annotated[int, Field(ge=1)] | None = Field(
        None, alias="maxConcurrency", description="How many calls may run at once."
    )
    max_calls_per_minute: Annotated[int, Field(ge=1)] | None = Field(
        None, alias="maxCallsPerMinute", description="How many calls may start in a minute."
    )
    timeout_seconds: Annotated[float, Field(gt=0)] | None = Field(
        None, alias="timeoutSeconds", description="How long one call may take, without time in queues."
    )
    max_result_bytes: Annotated[int, Field(ge=1)] | None = Field(
        None, alias="maxResultBytes", description="Above this, callers get a preview and a handle."
    )


class PythonHandlerPart(_Part):
    """The tool is a Python function, sync or async, called with the arguments as keywords."""

    type: Literal["python"]
    function: str = Field(
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*$",
        description="`module:function`. `module.py` beside this file wins over an installed module.",
    )


class Method(StrEnum):
    """HTTP methods a tool may use."""

    GET = "GET"
    HEAD = "HEAD"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"


class Place(StrEnum):
    """Where an argument goes in an HTTP request."""

    PATH = "path"
    QUERY = "query"
    BODY = "body"
    HEADER = "header"


class ArgumentPart(_Part):
    """Where one argument goes."""

    place: Place = Field(
        alias="in",
        description="`path` is a {placeholder} of the URL; `body` is a member of one JSON object.",
    )
    name: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="What it is called there, if not by the argument's own name."
    )


class ResponsePart(_Part):
    """How the answer is read."""

    format: Literal["json", "text"] = Field("json", alias="as")
    pointer: Annotated[str, Field(pattern=r"^(/.*)?$")] = Field(
        "", description="A JSON Pointer: only this part of a JSON answer is the result."
    )
    max_bytes: Annotated[int, Field(ge=1)] = Field(
        10_000_000, alias="maxBytes", description="A longer answer is an error; nothing is cut."
    )


class HttpHandlerPart(_Part):
    """The tool is one HTTP request. Redirects are not followed, proxies are not used."""

    type: Literal["http"]
    method: Method = Method.GET
    url: str = Field(
        pattern=r"^(https?://|\$\{)",
        description="With {argument} in path or query (percent-encoded) and ${VAR} from the environment.",
    )
    headers: dict[Annotated[str, Field(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")], str] = Field(
        default_factory=dict[str, str],
        description="Values may contain ${VAR}, ${VAR:-default} or ${env:VAR}.",
    )
    arguments: dict[str, ArgumentPart] = Field(
        default_factory=dict[str, ArgumentPart],
        description="Where arguments go. Those not named: into the URL if it has their {name}, "
        "else the query of GET, HEAD and DELETE, else the JSON body.",
    )
    response: ResponsePart = Field(default_factory=lambda: ResponsePart.model_validate({}))
    allow_private_addresses: bool = Field(
        False,
        alias="allowPrivateAddresses",
        description="Also connect to loopback, private, link-local and reserved addresses.",
    )
    timeout_seconds: Annotated[float, Field(gt=0)] = Field(
        30.0, alias="timeoutSeconds", description="For the whole request; `limits` bounds the call."
    )


class ToolFile(_Part):
    """One tool of a toolhone registry folder."""

    schema_reference: str | None = Field(None, alias="$schema")
    name: str = Field(pattern=r"^[a-z0-9_]{1,50}$", description="What callers say.")
    description: str = Field(min_length=1, description="What agents read, and find the tool by.")
    input_schema: JsonObject = Field(
        alias="inputSchema", description='A JSON Schema with "type": "object", without remote references.'
    )
    output_schema: JsonObject | None = Field(
        None, alias="outputSchema", description="A JSON Schema of the structured result."
    )
    annotations: AnnotationsPart = Field(default_factory=lambda: AnnotationsPart.model_validate({}))
    category: Category = Category.GENERAL
    limits: LimitsPart = Field(default_factory=lambda: LimitsPart.model_validate({}))
    output_validation: OutputValidation = Field(
        OutputValidation.WARN,
        alias="outputValidation",
        description="What happens to a structured result that does not match outputSchema.",
    )
    handler: Annotated[PythonHandlerPart | HttpHandlerPart, Field(discriminator="type")]

    def definition(self) -> ToolDefinition:
        """The tool as callers see it."""
        return ToolDefinition(
            name=self.name,
            description=self.description,
            input_schema=self.input_schema,
            output_schema=self.output_schema,
            annotations=Annotations(**self.annotations.model_dump()),
            category=self.category,
            limits=Limits(**self.limits.model_dump()),
            output_validation=self.output_validation,
            original_name=self.name,
        )


def parse_tool_file(text: str) -> ToolFile | list[Issue]:
    """The tool file, or everything that is wrong with its form."""
    try:
        return ToolFile.model_validate_json(text)
    except ValidationError as error:
        return [_issue(detail) for detail in error.errors(include_url=False, include_input=False)]


def _issue(detail: ErrorDetails) -> Issue:
    location = list(detail["loc"])
    if len(location) > 1 and location[0] == "handler":
        del location[1]  # The tag of the union, which is not a part of the document.
    if location and location[-1] == "[key]":
        del location[-1]
    match detail["type"]:
        case "missing":
            message = "is required"
        case "extra_forbidden":
            message = "is not a known key"
        case "union_tag_not_found":
            location.append("type")
            message = 'is required: "python" or "http"'
        case "union_tag_invalid":
            location.append("type")
            message = 'must be "python" or "http"'
        case "value_error":
            message = detail["msg"].removeprefix("Value error, ")
        case _:
            message = detail["msg"][:1].lower() + detail["msg"][1:]
    return Issue(pointer(location), message)


class _Plain(GenerateJsonSchema):
    """Without titles made from field names, which say nothing new, and without null, which is refused."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def field_title_should_be_set(self, schema: Json) -> bool:
        return False


def tool_file_schema() -> JsonObject:
    """The JSON Schema (draft 2020-12) of a tool file."""
    schema = ToolFile.model_json_schema(by_alias=True, schema_generator=_Plain)
    definitions: dict[str, JsonObject] = schema["$defs"]
    for part in (schema, *definitions.values()):
        part.pop("title", None)
        for member in part.get("properties", {}).values():
            # pydantic writes the default of an optional member, which is null, which is refused.
            if "default" in member and member["default"] is None:
                del member["default"]
            # Keys that fit no pattern are refused, which pydantic does not write.
            if "patternProperties" in member:
                member["additionalProperties"] = False
    schema["properties"]["handler"].pop("discriminator", None)  # OpenAPI's word, not JSON Schema's.
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "toolhone tool file",
        **schema,
    }
