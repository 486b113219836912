"""Which paths are for everybody, which for programs, and which for browsers."""

PUBLIC = frozenset({"/health", "/ready", "/login"})
PUBLIC_FOLDERS = ("/static/", "/.well-known/")

PROTOCOLS = ("/mcp", "/sse", "/messages")
PROGRAMS = (*PROTOCOLS, "/api", "/metrics")
"""Where who has no credential is told so; elsewhere a browser is led to the login."""


def is_public(path: str) -> bool:
    """Whether it is answered without a credential."""
    return path in PUBLIC or path.startswith(PUBLIC_FOLDERS)


def is_in(path: str, folders: tuple[str, ...]) -> bool:
    """Whether it is one of these paths, or below one."""
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)
