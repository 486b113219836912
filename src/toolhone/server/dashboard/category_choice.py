"""The choice of a category in a form: what can be chosen, and what was."""

from toolhone.exceptions import InvalidRequestError
from toolhone.models import Category

CATEGORIES = [(one.value, one.value) for one in Category]
ALL_CATEGORIES = [("", "All"), *CATEGORIES]


def category_of(name: str) -> Category | None:
    """The category of this name; an empty one is none.

    Raises:
        InvalidRequestError: There is no such category.
    """
    if not name:
        return None
    try:
        return Category(name)
    except ValueError:
        raise InvalidRequestError(
            f"There is no category {name!r}; there are {', '.join(Category)}."
        ) from None
