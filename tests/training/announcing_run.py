"""The training of the encoder, which tells the test of its first step and goes on when it is told."""

import os
import socket
from collections.abc import Mapping

from toolhone.training import selector_run
from toolhone.training.providers.child_reports import Reporter


class AnnouncingReporter(Reporter):
    """Stops at the first report with metrics until the test answers."""

    announced = False

    def report(self, message: str, metrics: Mapping[str, float] | None = None) -> None:
        super().report(message, metrics)
        if metrics and not self.announced:
            self.announced = True
            with socket.create_connection(("127.0.0.1", int(os.environ["ANNOUNCE_TO"]))) as line:
                line.recv(1)


if __name__ == "__main__":
    selector_run.Reporter = AnnouncingReporter  # pyright: ignore[reportPrivateImportUsage]
    selector_run.main()
