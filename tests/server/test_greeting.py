"""What a quiet start leaves in the data folder, and for how long."""

from pathlib import Path

import anyio
import anyio.lowlevel

from toolhone.app import open_app
from toolhone.keeping.inventory import Copying, kind_of
from toolhone.server.entrance import Entrance
from toolhone.server.greeting import LOGIN_FILE, TOKEN_FILE, greeting
from toolhone.settings import Settings

URL = "http://127.0.0.1:8765"


def test_what_opens_the_door_is_in_no_backup() -> None:
    for name in (TOKEN_FILE, LOGIN_FILE):
        kind = kind_of(name)
        assert kind is not None and kind.copying is Copying.NEVER


async def test_a_login_address_goes_when_it_has_expired(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, config=None, registry=None)
    async with open_app(settings, {}) as app:
        entrance = Entrance(settings, app.tokens, app.audit.record, None)
        async with greeting(app, entrance, URL, quiet=True, lasting=0):
            with anyio.fail_after(30):
                while (tmp_path / LOGIN_FILE).exists():
                    await anyio.lowlevel.checkpoint()

            assert (tmp_path / TOKEN_FILE).exists()


async def test_the_end_of_one_server_leaves_the_address_of_another(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, config=None, registry=None)
    async with open_app(settings, {}) as app:
        entrance = Entrance(settings, app.tokens, app.audit.record, None)
        async with greeting(app, entrance, URL, quiet=True):
            async with greeting(app, entrance, URL, quiet=True):
                pass
            assert not (tmp_path / LOGIN_FILE).exists()

        async with greeting(app, entrance, URL, quiet=True):
            (tmp_path / LOGIN_FILE).write_text("of another\n")

    assert (tmp_path / LOGIN_FILE).read_text() == "of another\n"
