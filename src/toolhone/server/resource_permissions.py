"""What a caller needs for a resource or a prompt over MCP. What has no entry here cannot be asked for."""

from toolhone.exceptions import InvalidRequestError
from toolhone.roles import Permission
from toolhone.server import finetuning_resources, resources

RESOURCES = {**resources.TAKES, **finetuning_resources.TAKES}
PROMPTS = {**resources.PROMPTS_TAKE, **finetuning_resources.PROMPTS_TAKE}


def permission_for_resource(uri: str) -> Permission:
    """What it takes to read a resource, to complete its address, or to hear of its changes.

    Raises:
        InvalidRequestError: There is no such resource.
    """
    for begin, permission in RESOURCES.items():
        if uri.startswith(begin):
            return permission
    raise resources.unknown(uri)


def permission_for_prompt(name: str) -> Permission:
    """What it takes to be given a prompt.

    Raises:
        InvalidRequestError: There is no such prompt.
    """
    if name not in PROMPTS:
        raise InvalidRequestError(f"There is no prompt {name!r}; there is {', '.join(PROMPTS)}.")
    return PROMPTS[name]
