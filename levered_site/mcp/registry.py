"""What every tool has around it: a scope, honest hints, strict arguments and errors that tell what to do next."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Annotated, Any, TypeVar

from asgiref.sync import sync_to_async
from django.db import InterfaceError, OperationalError, transaction
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.tools import Tool
from mcp_types import ToolAnnotations
from pydantic import ConfigDict, Field
from rest_framework import serializers
from starlette.requests import Request

from levered_site.api.exceptions import flatten
from levered_site.errors import DomainError, Issue
from levered_site.organizations.principals import Principal

Function = TypeVar("Function", bound=Callable[..., Any])

DryRun = Annotated[bool, Field(description="Check everything and answer as if it were done, but store nothing.")]

TOOLS: list[Tool] = []

_ADVICE = {
    "invalid_request": "Correct the named fields and call again.",
    "not_found": "Take ids from the list tools; only your own organization's objects exist here.",
    "forbidden": "Ask for a credential with that scope; calling again will not help.",
    "invalid_transition": "Allowed are live → completed → archived and live → archived; levered_get_optimization tells "
    "the current status.",
    "training_in_progress": "Wait, then look at levered_get_model; it may be trained already.",
    "model_unavailable": "The model was deleted; a new one is made with POST /api/v2/optimizations/:id/model.",
    "not_managed": "This works on the managed warehouse only; levered_warehouse_status tells which one is connected.",
    "unavailable": "Nothing was changed. Call again in a few seconds.",
}


def tool(
    *, title: str, scope: str, writes: bool = False, destructive: bool = False, idempotent: bool = True
) -> Callable[[Function], Function]:
    """Registers `fn(caller, …)` as the tool `levered_<name>`; its docstring is what the agent reads.

    Args:
        scope: what the caller's credential must allow.
        destructive: it may overwrite or end something; `idempotent`: a second identical call changes nothing more.
    """

    def register(fn: Function) -> Function:
        made = Tool.from_function(
            _guarded(fn, scope),
            name=f"levered_{fn.__name__}",
            title=title,
            description=f"{inspect.cleandoc(fn.__doc__ or '')}\n\nNeeds the `{scope}` scope.",
            context_kwarg="ctx",
            annotations=ToolAnnotations(
                title=title,
                read_only_hint=not writes,
                destructive_hint=destructive,
                idempotent_hint=idempotent,
                open_world_hint=False,
            ),
            structured_output=True,
        )
        arguments = made.fn_metadata.arg_model
        arguments.model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")
        arguments.model_rebuild(force=True)  # a misspelt argument is refused, never swallowed
        made.parameters = arguments.model_json_schema(by_alias=True)
        TOOLS.append(made)
        return fn

    return register


def _guarded(fn: Callable[..., Any], scope: str) -> Callable[..., Any]:
    def run(principal: Principal, arguments: dict[str, Any]) -> Any:
        if not principal.may(scope):
            raise _told("forbidden", f"This needs the '{scope}' scope, which your credential does not have.")
        try:
            return fn(principal, **arguments)
        except DomainError as error:
            raise _told(error.code, error.message, error.details) from error
        except serializers.ValidationError as error:
            raise _told("invalid_request", "The arguments are not valid.", list(flatten(error.detail))) from error
        except (OperationalError, InterfaceError) as error:
            raise _told("unavailable", "The database does not answer.") from error

    @wraps(fn)
    async def call(ctx: Context[Any, Request], **arguments: Any) -> Any:
        request = ctx.request_context.request
        assert request is not None  # every message comes by HTTP
        principal: Principal = request.state.principal
        # in the request's own thread, whose database connection Django looks after
        return await sync_to_async(run, thread_sensitive=True)(principal, arguments)

    signature = inspect.signature(fn, eval_str=True)
    shown = [p for name, p in signature.parameters.items() if name != "caller"]
    call.__signature__ = signature.replace(parameters=shown)  # type: ignore[attr-defined]  # what the SDK reads
    return call


def _told(code: str, message: str, details: list[Issue] | None = None) -> ToolError:
    lines = [f"{code}: {message}"]
    lines += [f"- {issue.field}: {issue.message}" for issue in details or [] if issue.field]
    if advice := _ADVICE.get(code):
        lines.append(advice)
    return ToolError("\n".join(lines))


def checked(serializer: type[serializers.Serializer[Any]], data: dict[str, Any]) -> dict[str, Any]:
    """The arguments as the API's own body of the same operation: one set of rules."""
    reader = serializer(data=data)
    reader.is_valid(raise_exception=True)
    validated: dict[str, Any] = reader.validated_data
    return validated


@contextmanager
def undone_if(dry_run: bool) -> Iterator[None]:
    """A dry run does the real thing and takes it back: what it answers is what would have happened."""
    with transaction.atomic():
        yield
        if dry_run:
            transaction.set_rollback(True)
