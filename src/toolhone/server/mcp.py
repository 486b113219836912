"""The MCP server: its handlers, over the gateway of one running app."""

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any, TypeAlias

import anyio
import anyio.to_thread
from mcp import MCPError, types
from mcp.server import CacheHint, NotificationOptions, Server
from mcp.server.caching import CacheableMethod
from mcp.server.models import InitializationOptions
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    ListenHandler,
    ResourcesListChanged,
    ResourceUpdated,
    ToolsListChanged,
)

from toolhone import __version__
from toolhone.access import allows, require
from toolhone.app import App
from toolhone.exceptions import ToolhoneError
from toolhone.gateway import Gateway
from toolhone.json_values import minified
from toolhone.models import LOCAL_CALLER, Caller, JsonObject, ProgressReporter
from toolhone.roles import Permission
from toolhone.server import finetuning_resources, resources
from toolhone.server.callers import Context, caller_of, progress_of
from toolhone.server.definitions import INPUT_SCHEMAS, listing
from toolhone.server.errors import error_result
from toolhone.server.finetuning_definitions import PERMISSIONS as FINETUNING_PERMISSIONS
from toolhone.server.finetuning_definitions import finetuning_listing
from toolhone.server.native import native_listing
from toolhone.server.protocol_requests import answering
from toolhone.server.resource_permissions import PROMPTS, permission_for_prompt, permission_for_resource
from toolhone.server.sendable import sendable
from toolhone.server.sessions import LegacySessions
from toolhone.server.subscriptions import ResourceSubscriptions
from toolhone.server.tools import ALL_SCHEMAS, TOOLS, Tool, call_native, understood

logger = logging.getLogger(__name__)

MCPServer: TypeAlias = Server[dict[str, Any]]

INSTRUCTIONS = (
    "toolhone stands in front of all your tools. Describe your task to find_tools, then run what it "
    "returns with call_tools (many calls in one request run in parallel). If the task has several steps, a "
    "token_budget of 150 names the candidates; describe_tools then tells all about those you want. Use "
    "call_read_tools for tools marked read-only."
)

FINDING = frozenset({"find_tools", "describe_tools", "validate_output", "get_statistics"})
"""Tools that run nothing."""

OURS = frozenset({*INPUT_SCHEMAS, *FINETUNING_PERMISSIONS})

SHOWN = {"name", "description", "input_schema"}
"""What hosts pass on of a listing to their model, and a receipt counts."""

MINUTE_MS = 60_000

GATHERING = 0.25
"""Seconds that a change of the catalog waits for others, to be announced with them."""

FRESH_FOR: dict[CacheableMethod, CacheHint] = {
    "server/discover": CacheHint(ttl_ms=60 * MINUTE_MS, scope="private"),
    "prompts/list": CacheHint(ttl_ms=60 * MINUTE_MS, scope="private"),
    "resources/list": CacheHint(ttl_ms=60 * MINUTE_MS, scope="private"),
    "resources/templates/list": CacheHint(ttl_ms=60 * MINUTE_MS, scope="private"),
    # The description of find_tools follows the catalog; who does not listen for changes asks again.
    "tools/list": CacheHint(ttl_ms=MINUTE_MS, scope="private"),
}
"""How long clients since 2026-07-28 may keep an answer. What resources hold is never kept."""


class ToolhoneServer(Server[dict[str, Any]]):
    """A low-level server that tells handshake-era clients that its lists may change.

    The base class says so only if each caller of `create_initialization_options` asks for it, and
    the HTTP transports do not.
    """

    def create_initialization_options(
        self,
        notification_options: NotificationOptions | None = None,
        experimental_capabilities: dict[str, JsonObject] | None = None,
        extensions: dict[str, JsonObject] | None = None,
    ) -> InitializationOptions:
        changes = NotificationOptions(tools_changed=True, resources_changed=True)
        return super().create_initialization_options(
            notification_options or changes, experimental_capabilities, extensions
        )


class Handlers:
    """One method for each MCP request that toolhone answers."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._role = app.settings.role
        self._sessions = LegacySessions()
        self._subscriptions = ResourceSubscriptions(
            lambda uri: uri == resources.CATALOG or uri.startswith(finetuning_resources.JOB)
        )
        self._bus = InMemorySubscriptionBus()
        self.listen = ListenHandler(self._bus)

    def _caller(self, ctx: Context) -> Caller:
        return caller_of(ctx, self._role)

    async def list_tools(
        self, ctx: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        gateway = await self._app.gateway()
        caller = self._caller(ctx)
        await gateway.settle(caller)  # the description of find_tools names what the servers have
        self._sessions.remember(ctx)
        tools = await anyio.to_thread.run_sync(_listed, gateway, caller)
        text = minified([tool.model_dump(by_alias=True, include=SHOWN) for tool in tools])
        gateway.listed(caller, text)
        return sendable(types.ListToolsResult(tools=tools))

    def input_schema(self, name: str) -> JsonObject | None:
        """What the SDK checks the headers of a call against; else it would list all our tools to find it."""
        if name in ALL_SCHEMAS:
            return ALL_SCHEMAS[name]
        gateway = self._app.built_gateway
        native = gateway.native(LOCAL_CALLER) if gateway is not None else ()
        return next((tool.input_schema for tool in native if tool.name == name), None)

    async def call_tool(self, ctx: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        gateway = await self._app.gateway()
        arguments, caller = params.arguments or {}, self._caller(ctx)
        handler = self._handler(gateway, params.name, caller)
        self._sessions.remember(ctx)
        try:
            try:
                require(caller, permission_for(params.name))
                result = await handler(gateway, arguments, caller, progress_of(ctx))
                result = sendable(result)
                await _account(gateway, caller, params.name, arguments, result)
                return result
            except ToolhoneError as error:
                await gateway.refuse(params.name, _told(params.name, arguments), caller=caller, error=error)
                return error_result(error)
        except ToolhoneError as error:  # the refusal could not be recorded, which is worse
            return error_result(error)
        except Exception:  # a request ends here: the client gets a clean answer, we keep the trace
            logger.exception("%s failed", params.name)
            return error_result(ToolhoneError(f"{params.name} failed inside toolhone; its log says why."))

    def _handler(self, gateway: Gateway, name: str, caller: Caller) -> Tool:
        """What runs the tool of this name.

        Raises:
            MCPError: There is none.
        """
        if name in TOOLS:
            return TOOLS[name]
        if name in FINETUNING_PERMISSIONS:
            return partial(self._finetune, name)
        if any(tool.name == name for tool in gateway.native(caller)):
            return partial(call_native, name)
        raise MCPError(
            code=types.INVALID_PARAMS,
            message=(
                f"Unknown tool {name!r}. This server has {', '.join(_names(caller))}; "
                "run any other tool through call_tools."
            ),
        )

    async def _finetune(
        self,
        name: str,
        gateway: Gateway,
        arguments: JsonObject,
        caller: Caller,
        report: ProgressReporter | None,
    ) -> types.CallToolResult:
        # Who does not train does not pay for the imports.
        from toolhone.server.finetuning_tools import FINETUNING_TOOLS

        given = await understood(gateway, name, arguments, caller)
        return await FINETUNING_TOOLS[name](await self._app.finetuning(), given, caller, report)

    async def list_resources(
        self, ctx: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        self._sessions.remember(ctx)
        caller = self._caller(ctx)
        known = (*resources.listing(), *finetuning_resources.listing())
        return types.ListResourcesResult(
            resources=[one for one in known if allows(caller, permission_for_resource(one.uri))]
        )

    async def list_resource_templates(
        self, ctx: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        self._sessions.remember(ctx)
        caller = self._caller(ctx)
        known = (*resources.templates(), *finetuning_resources.templates())
        return types.ListResourceTemplatesResult(
            resource_templates=[
                one for one in known if allows(caller, permission_for_resource(one.uri_template))
            ]
        )

    async def read_resource(
        self, ctx: Context, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        self._sessions.remember(ctx)
        gateway, caller, uri = await self._app.gateway(), self._caller(ctx), str(params.uri)
        async with answering(gateway, caller, "resources/read", uri=uri):
            require(caller, permission_for_resource(uri))
            if finetuning_resources.is_ours(uri):
                return sendable(await finetuning_resources.read(await self._app.finetuning(), uri, caller))
            return sendable(await resources.read(gateway, uri, caller))

    async def subscribe_resource(
        self, ctx: Context, params: types.SubscribeRequestParams
    ) -> types.EmptyResult:
        uri = str(params.uri)
        await self._watch(ctx, "resources/subscribe", [uri])
        self._subscriptions.subscribe(ctx, uri)
        return types.EmptyResult()

    async def unsubscribe_resource(
        self, ctx: Context, params: types.UnsubscribeRequestParams
    ) -> types.EmptyResult:
        self._subscriptions.unsubscribe(ctx, str(params.uri))
        return types.EmptyResult()

    async def subscriptions_listen(
        self, ctx: Context, params: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        await self._watch(ctx, "subscriptions/listen", params.notifications.resource_subscriptions or ())
        return await self.listen(ctx, params)

    async def _watch(self, ctx: Context, method: str, uris: Sequence[str]) -> None:
        """Let the caller hear of changes of these resources.

        Raises:
            MCPError: It may not.
        """
        gateway, caller = await self._app.gateway(), self._caller(ctx)
        for uri in map(str, uris):
            async with answering(gateway, caller, method, uri=uri):
                require(caller, permission_for_resource(uri))
                if uri.startswith(finetuning_resources.JOB):
                    await self._app.finetuning()  # from now on jobs are looked at for changes

    async def complete(self, ctx: Context, params: types.CompleteRequestParams) -> types.CompleteResult:
        gateway, caller, ref = await self._app.gateway(), self._caller(ctx), params.ref
        asked = {"name": ref.name} if isinstance(ref, types.PromptReference) else {"uri": ref.uri}
        async with answering(gateway, caller, "completion/complete", **asked):
            if isinstance(ref, types.ResourceTemplateReference):
                require(caller, permission_for_resource(ref.uri))
            elif ref.name in PROMPTS:  # of another there is nothing to complete, and nothing to refuse
                require(caller, permission_for_prompt(ref.name))
            return resources.complete(gateway, params, caller)

    async def list_prompts(
        self, ctx: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListPromptsResult:
        caller = self._caller(ctx)
        known = (*resources.prompts(), *finetuning_resources.prompts())
        return types.ListPromptsResult(
            prompts=[one for one in known if allows(caller, permission_for_prompt(one.name))]
        )

    async def get_prompt(self, ctx: Context, params: types.GetPromptRequestParams) -> types.GetPromptResult:
        arguments, name = params.arguments or {}, params.name
        gateway, caller = await self._app.gateway(), self._caller(ctx)
        async with answering(gateway, caller, "prompts/get", name=name):
            require(caller, permission_for_prompt(name))
            if name in finetuning_resources.PROMPTS_TAKE:
                return await finetuning_resources.prompt(
                    await self._app.finetuning(), name, arguments, caller
                )
            return resources.prompt(arguments)

    async def announce_changes(self) -> None:
        """Tell clients of both eras about catalog changes, until cancelled.

        Our own list is the same unless a server or a count changed, and then a client that reads it again
        gets the same bytes: its prompt cache holds.
        """
        gateway = await self._app.gateway()
        # As tools/list does: until then nobody has seen anything that can change.
        await gateway.settle(LOCAL_CALLER)
        seen: str | None = None
        async for _ in self._app.catalog_changes():
            if seen is not None:
                await anyio.sleep(GATHERING)  # servers that start together change the catalog together
            before, seen = seen, await self._state(gateway)
            if before in (None, seen):
                continue
            await self._bus.publish(ToolsListChanged())
            await self._bus.publish(ResourcesListChanged())
            await self._updated(resources.CATALOG)
            await self._sessions.notify_tools()
            await self._sessions.notify_resources()

    async def announce_jobs(self) -> None:
        """Tell clients of both eras about jobs that went on, until cancelled."""
        async for job_id in self._app.host.job_changes():
            await self._updated(f"{finetuning_resources.JOB}{job_id}")

    async def _updated(self, uri: str) -> None:
        await self._bus.publish(ResourceUpdated(uri=uri))
        await self._subscriptions.tell(uri)

    async def _state(self, gateway: Gateway) -> str:
        # Off the event loop: hashing ten thousand tools for the first time takes seconds.
        return await anyio.to_thread.run_sync(lambda: gateway.catalog.content_hash)


def _told(tool: str, arguments: JsonObject) -> JsonObject:
    """What the audit is told of a refused request. A snapshot is not kept, so neither is what was in it."""
    return {"fields": sorted(arguments)} if tool == "collect_snapshot" else arguments


def permission_for(tool: str) -> Permission:
    """What a caller needs for a tool of this server."""
    if tool in FINETUNING_PERMISSIONS:
        return FINETUNING_PERMISSIONS[tool]
    return Permission.FIND_TOOLS if tool in FINDING else Permission.CALL_TOOLS


def _names(caller: Caller) -> list[str]:
    """The tools that a caller is listed.

    Handing in work and looking at jobs is not listed to who can do nothing else of fine-tuning: every
    listed tool costs its tokens in each conversation. Both are allowed all the same.
    """
    trains = allows(caller, Permission.PREPARE)
    return [
        name
        for name in (*INPUT_SCHEMAS, *(FINETUNING_PERMISSIONS if trains else ()))
        if allows(caller, permission_for(name))
    ]


def _listed(gateway: Gateway, caller: Caller) -> list[types.Tool]:
    shown = set(_names(caller))
    ours = [tool for tool in (*listing(gateway.tools(caller)), *finetuning_listing()) if tool.name in shown]
    native = gateway.native(caller) if allows(caller, Permission.CALL_TOOLS) else ()
    return [*ours, *native_listing(native, taken=OURS)]


async def _account(
    gateway: Gateway, caller: Caller, tool: str, arguments: JsonObject, result: types.CallToolResult
) -> None:
    """Note on the caller's receipt what this answer costs its context."""
    text = "\n".join(block.text for block in result.content if isinstance(block, types.TextContent))
    await gateway.exchanged(caller, tool, arguments, text, result.structured_content or {})


def build_server(app: App) -> tuple[MCPServer, Handlers]:
    """The MCP server of a running app; run `announce_changes` and `announce_jobs` of `Handlers` beside it."""
    handlers = Handlers(app)
    server = ToolhoneServer(
        "toolhone",
        version=__version__,
        title="toolhone",
        instructions=INSTRUCTIONS,
        on_list_tools=handlers.list_tools,
        on_call_tool=handlers.call_tool,
        get_tool_input_schema=handlers.input_schema,
        on_list_resources=handlers.list_resources,
        on_list_resource_templates=handlers.list_resource_templates,
        on_read_resource=handlers.read_resource,
        on_subscribe_resource=handlers.subscribe_resource,
        on_unsubscribe_resource=handlers.unsubscribe_resource,
        on_list_prompts=handlers.list_prompts,
        on_get_prompt=handlers.get_prompt,
        on_completion=handlers.complete,
        on_subscriptions_listen=handlers.subscriptions_listen,
        cache_hints=FRESH_FOR,
    )
    return server, handlers
