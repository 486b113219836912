"""Who wants to know that a source of tools changed."""

from collections.abc import Callable


class Listeners:
    """Callbacks in the order they came. Not thread-safe: everything happens on the event loop."""

    def __init__(self) -> None:
        # Keyed by a token of its own, so that one callable may subscribe twice and leave once.
        self._callbacks: dict[object, Callable[[], None]] = {}

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` on every `notify`; returns how to stop that."""
        token = object()
        self._callbacks[token] = callback

        def unsubscribe() -> None:
            self._callbacks.pop(token, None)

        return unsubscribe

    def notify(self) -> None:
        """Call everyone who was subscribed when this began."""
        for callback in tuple(self._callbacks.values()):
            callback()
