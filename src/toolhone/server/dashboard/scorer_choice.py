"""The choice of how held-out answers are scored."""

from toolhone.app import App
from toolhone.evaluation.scorers import BUILT_IN, JUDGE


def scorers_of(app: App) -> list[tuple[str, str]]:
    """Names that can be chosen here, and what they are called; empty is what suits the rows."""
    judge = app.settings.judge_model
    return [
        ("", "what suits the rows"),
        *((name, name) for name in (*BUILT_IN, *app.settings.scorers)),
        *([(JUDGE, f"{JUDGE}: {judge}")] if judge is not None else []),
    ]
