"""What each setting means, as the source of `Settings` says beneath it: one text for readers of both."""

import ast
import inspect
from functools import cache
from itertools import pairwise

from toolhone.settings import Settings


@cache
def setting_meanings() -> dict[str, str]:
    """The text beneath each field, on one line; fields that speak for themselves have none."""
    (found,) = ast.parse(inspect.getsource(Settings)).body
    assert isinstance(found, ast.ClassDef)
    meanings: dict[str, str] = {}
    for field, after in pairwise(found.body):
        text = _text(after)
        if text and isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            meanings[field.target.id] = " ".join(text.split())
    return meanings


def _text(node: ast.stmt) -> str | None:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return str(node.value.value)
    return None
