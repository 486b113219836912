"""Every error toolhone raises on purpose.

    ToolhoneError
    ├── ConfigurationError                invalid_configuration
    │   ├── UnsetVariableError            unset_variable
    │   └── RegistryFileError             invalid_registry_file
    ├── InvalidRequestError               invalid_request
    │   ├── InvalidPlanError              invalid_plan
    │   ├── SignatureError                invalid_signature
    │   ├── InsufficientDataError         insufficient_data
    │   ├── BudgetExceededError           budget_exceeded
    │   ├── NotFoundError                 not_found
    │   ├── ConflictError                 conflict
    │   ├── ReusedKeyError                reused_key
    │   └── UnusableSchemaError           unusable_schema
    ├── UnknownToolError                  unknown_tool
    ├── InvalidArgumentsError             invalid_arguments
    ├── ReferenceFailedError              reference_failed
    ├── NotAuthenticatedError             not_authenticated
    │   └── LoginEndedError               login_ended
    ├── PermissionDeniedError             permission_denied
    │   └── NotReadOnlyError              not_read_only
    ├── RateLimitedError                  rate_limited
    ├── CallTimeoutError                  timeout
    ├── ServerUnavailableError            server_unavailable
    │   └── ServerAuthenticationError     server_authentication_failed
    │       └── LoginNeededError          login_needed
    ├── LoginFailedError                  login_failed
    ├── ConnectionLostError               connection_lost
    ├── ToolFailedError                   tool_failed
    ├── InvalidOutputError                invalid_output
    ├── UnknownHandleError                unknown_handle
    │   └── ExpiredHandleError            expired_handle
    ├── ModelUnavailableError             model_unavailable
    ├── TrainingFailedError               training_failed
    ├── ProviderError                     provider_failed
    │   ├── ProviderUnavailableError      provider_unavailable
    │   └── ProviderRefusedError          provider_refused
    │       └── ProviderNotSetUpError     provider_not_set_up
    ├── NotRunningError                   not_running
    └── StorageError                      storage_failed
        ├── NewerStorageError             newer_storage
        └── DamagedStorageError           damaged_storage

`code` is stable and goes over the wire. A class's docstring is its default message.
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class ToolhoneError(Exception):
    """Something went wrong in toolhone."""

    code: ClassVar[str] = "internal_error"

    def __init__(self, message: str | None = None, *, data: Mapping[str, Any] | None = None) -> None:
        self.message = message or (type(self).__doc__ or "").strip()
        self.data: dict[str, Any] = dict(data or {})
        super().__init__(self.message)


class ConfigurationError(ToolhoneError):
    """The configuration is not valid."""

    code = "invalid_configuration"


class UnsetVariableError(ConfigurationError):
    """The configuration names an environment variable that is not set."""

    code = "unset_variable"


class RegistryFileError(ConfigurationError):
    """A file of the tool registry is not valid."""

    code = "invalid_registry_file"


class InvalidRequestError(ToolhoneError):
    """The request is not valid."""

    code = "invalid_request"


class InvalidPlanError(InvalidRequestError):
    """The calls of this batch do not make a plan."""

    code = "invalid_plan"


class SignatureError(InvalidRequestError):
    """The text is not a lossless signature of tools, or a tool cannot be written as one."""

    code = "invalid_signature"


class UnusableSchemaError(InvalidRequestError):
    """The JSON Schema cannot be used to check a value."""

    code = "unusable_schema"


class UnknownToolError(ToolhoneError):
    """There is no tool of this name."""

    code = "unknown_tool"


class InvalidArgumentsError(ToolhoneError):
    """The arguments do not match the tool's input schema."""

    code = "invalid_arguments"


class ReferenceFailedError(ToolhoneError):
    """A call could not run because an earlier call that it refers to gave no such value."""

    code = "reference_failed"


class NotAuthenticatedError(ToolhoneError):
    """A credential is needed, and none that is valid was given."""

    code = "not_authenticated"


class LoginEndedError(NotAuthenticatedError):
    """This login of a browser has ended. Log in again."""

    code = "login_ended"


class PermissionDeniedError(ToolhoneError):
    """The caller may not do this."""

    code = "permission_denied"


class NotReadOnlyError(PermissionDeniedError):
    """The tool is not known to be read-only; use call_tools."""

    code = "not_read_only"


class RateLimitedError(ToolhoneError):
    """Too many calls in the last minute."""

    code = "rate_limited"


class CallTimeoutError(ToolhoneError):
    """The call took longer than its time limit and was cancelled."""

    code = "timeout"


class ServerUnavailableError(ToolhoneError):
    """The downstream server cannot be reached. The call was not sent."""

    code = "server_unavailable"


class ServerAuthenticationError(ServerUnavailableError):
    """The downstream server refused our credentials. It is not tried again until toolhone is restarted."""

    code = "server_authentication_failed"


class LoginNeededError(ServerAuthenticationError):
    """The downstream server asks for a login. It is tried again once somebody has logged in."""

    code = "login_needed"


class LoginFailedError(ToolhoneError):
    """The login at a downstream server failed."""

    code = "login_failed"


class ConnectionLostError(ToolhoneError):
    """The connection to the downstream server was lost after the call was sent."""

    code = "connection_lost"


class ToolFailedError(ToolhoneError):
    """The tool answered with an error."""

    code = "tool_failed"


class InvalidOutputError(ToolhoneError):
    """The tool's output does not match its output schema."""

    code = "invalid_output"


class UnknownHandleError(ToolhoneError):
    """There is no stored result under this handle for this caller."""

    code = "unknown_handle"


class ExpiredHandleError(UnknownHandleError):
    """The stored result behind this handle has expired. Call the tool again."""

    code = "expired_handle"


class ModelUnavailableError(ToolhoneError):
    """The embedding model cannot be used."""

    code = "model_unavailable"


class TrainingFailedError(ToolhoneError):
    """The encoder could not be trained or exported."""

    code = "training_failed"


class ProviderError(ToolhoneError):
    """The provider of fine-tuning could not do it."""

    code = "provider_failed"


class ProviderUnavailableError(ProviderError):
    """The provider of fine-tuning cannot be reached or used now. Nothing is lost; try again later."""

    code = "provider_unavailable"


class ProviderRefusedError(ProviderError):
    """The provider of fine-tuning refused the request."""

    code = "provider_refused"


class ProviderNotSetUpError(ProviderRefusedError):
    """The provider of fine-tuning is not set up here. Nothing was asked of it."""

    code = "provider_not_set_up"


class InsufficientDataError(InvalidRequestError):
    """There are too few snapshots for a dataset."""

    code = "insufficient_data"


class BudgetExceededError(InvalidRequestError):
    """It would cost more than is allowed."""

    code = "budget_exceeded"


class NotFoundError(InvalidRequestError):
    """There is nothing of this name or id."""

    code = "not_found"


class ConflictError(InvalidRequestError):
    """As things stand now, this cannot be done."""

    code = "conflict"


class ReusedKeyError(InvalidRequestError):
    """The idempotency key was used for another request."""

    code = "reused_key"


class NotRunningError(ToolhoneError):
    """This part of toolhone has not been started or has been stopped."""

    code = "not_running"


class StorageError(ToolhoneError):
    """The data folder cannot be read or written."""

    code = "storage_failed"


class NewerStorageError(StorageError):
    """The data folder was written by a newer toolhone. Update toolhone, or name another folder."""

    code = "newer_storage"


class DamagedStorageError(StorageError):
    """A file in the data folder is damaged."""

    code = "damaged_storage"
