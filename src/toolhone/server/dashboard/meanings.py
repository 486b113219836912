"""What each setting and each permission means, as the source says beneath it: one text for both readers."""

import ast
import inspect
from functools import cache
from itertools import pairwise


@cache
def meanings_of(kind: type) -> dict[str, str]:
    """The text beneath each field or member of a class, by its name, on one line.

    What speaks for itself has none.
    """
    (found,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(found, ast.ClassDef)
    meanings: dict[str, str] = {}
    for field, after in pairwise(found.body):
        name, text = _name(field), _text(after)
        if name and text:
            meanings[name] = " ".join(text.split())
    return meanings


def _name(node: ast.stmt) -> str | None:
    if isinstance(node, ast.AnnAssign):
        targets = [node.target]
    else:
        targets = node.targets if isinstance(node, ast.Assign) else []
    return targets[0].id if len(targets) == 1 and isinstance(targets[0], ast.Name) else None


def _text(node: ast.stmt) -> str | None:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return str(node.value.value)
    return None
