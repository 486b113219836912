"""Jobs over real stores, with a provider on paper."""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from jobs.scripts.paper import Shop

PAPER = Path(__file__).parent / "scripts" / "paper.py"


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("paper", PAPER)
    assert spec and spec.loader
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def paper() -> ModuleType:
    return sys.modules.get("paper") or _load()


@pytest.fixture
def open_shop(paper: ModuleType, tmp_path: Path) -> "Iterator[Callable[..., Shop]]":
    """Opens jobs over a folder; by default always the same one."""
    opened: list[Shop] = []

    def make(script: object = None, *, folder: Path | None = None, **options: bool) -> "Shop":
        shop = paper.Shop(folder or tmp_path / "data", script, **options)
        opened.append(shop)
        return shop

    yield make
    for shop in opened:
        shop.close()
