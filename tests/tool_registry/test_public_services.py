"""get_weather and get_exchange_rate against a local server that answers as the public ones do."""

import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TypeAlias
from urllib.parse import parse_qsl, urlsplit

import anyio
import pytest

from toolhone.exceptions import PermissionDeniedError, ToolFailedError
from toolhone.models import Json, JsonObject
from toolhone.registry.files import FileToolset

CallTool: TypeAlias = Callable[..., Awaitable[Json]]

PLACES = [
    {"name": "Paris", "latitude": 48.85, "longitude": 2.35, "country": "France", "country_code": "FR"},
    {"name": "Paris", "latitude": 33.66, "longitude": -95.55, "country": "United States", "admin1": "Texas"},
]
WEATHER = {
    "timezone": "Europe/Paris",
    "current": {
        "time": "2026-11-22T12:00",
        "temperature_2m": 9.5,
        "apparent_temperature": 7.0,
        "relative_humidity_2m": 80,
        "precipitation": 0.2,
        "weather_code": 61,
        "wind_speed_10m": 12.0,
        "wind_direction_10m": 270,
    },
    "daily": {
        "time": ["2026-11-22", "2026-11-23"],
        "weather_code": [61, 1234],
        "temperature_2m_max": [10, 11],
        "temperature_2m_min": [5, 6],
        "precipitation_sum": [1.5, 0],
    },
}
RATES = {"amount": 1.0, "base": "USD", "date": "2026-11-20", "rates": {"EUR": 0.91}}


class Services:
    """One server for all three; `answers` may be changed by a test."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.answers: dict[str, tuple[int, Json]] = {
            "/geocoding": (200, {"results": PLACES}),
            "/forecast": (200, WEATHER),
            "/v1/2026-11-20": (200, RATES),
        }


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            services.asked.append((parts.path, dict(parse_qsl(parts.query))))
            status, answer = services.answers[parts.path]
            body = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        services = Services(f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("TOOLHONE_WEATHER_GEOCODING_URL", services.url + "/geocoding")
        monkeypatch.setenv("TOOLHONE_WEATHER_FORECAST_URL", services.url + "/forecast")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield services
        server.shutdown()
        thread.join()


async def test_the_weather_of_a_town(call_tool: CallTool, services: Services) -> None:
    result = await call_tool("get_weather", location="Paris", units="fahrenheit")

    assert result["location"] == {
        "name": "Paris",
        "country": "France",
        "latitude": 48.85,
        "longitude": 2.35,
        "timezone": "Europe/Paris",
    }
    assert (result["temperature"], result["conditions"], result["units"]) == (
        9.5,
        "slight rain",
        "fahrenheit",
    )
    assert [day["conditions"] for day in result["forecast"]] == ["slight rain", "WMO weather code 1234"]
    (geocoding, first), (forecast, second) = services.asked
    assert (geocoding, first["name"]) == ("/geocoding", "Paris")
    assert (forecast, second["latitude"], second["temperature_unit"]) == ("/forecast", "48.85", "fahrenheit")


async def test_a_region_after_the_comma_chooses_among_towns(call_tool: CallTool, services: Services) -> None:
    result = await call_tool("get_weather", location="Paris, Texas")

    assert result["location"]["country"] == "United States"
    with pytest.raises(ToolFailedError, match="only in: France, United States"):
        await call_tool("get_weather", location="Paris, Japan")


async def test_coordinates_need_no_search(call_tool: CallTool, services: Services) -> None:
    await call_tool("get_weather", location="52.52, -13.41")

    assert [path for path, _ in services.asked] == ["/forecast"]
    with pytest.raises(ToolFailedError, match="no place on earth"):
        await call_tool("get_weather", location="91,0")


NO_PLACES: JsonObject = {}
NO_READINGS: JsonObject = {"current": {}}


@pytest.mark.parametrize(
    ("path", "answer", "message"),
    [
        ("/geocoding", (200, NO_PLACES), "No place is called 'Paris'"),
        ("/geocoding", (200, "<html>"), "not JSON"),
        ("/forecast", (400, {"error": True, "reason": "bad latitude"}), "HTTP 400: bad latitude"),
        ("/forecast", (200, NO_READINGS), "another form than expected"),
    ],
)
async def test_what_goes_wrong_is_told(
    call_tool: CallTool, services: Services, path: str, answer: tuple[int, Json], message: str
) -> None:
    services.answers[path] = answer

    with pytest.raises(ToolFailedError, match=message):
        await call_tool("get_weather", location="Paris")


async def test_without_a_network_the_weather_says_so(
    call_tool: CallTool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOOLHONE_WEATHER_GEOCODING_URL", "http://127.0.0.1:1/")

    with pytest.raises(ToolFailedError, match="cannot be reached"):
        await call_tool("get_weather", location="Paris")


def exchange(folder: Path, toolset: FileToolset, services: Services, *, private: bool) -> FileToolset:
    """The shipped file as it is, but for leave to reach this machine."""
    document: JsonObject = json.loads((toolset.folder / "get_exchange_rate.json").read_text())
    document["handler"]["allowPrivateAddresses"] = private
    (folder / "get_exchange_rate.json").write_text(json.dumps(document))
    return FileToolset(folder, {"TOOLHONE_FRANKFURTER_URL": services.url})


async def test_exchange_rates_of_a_day(toolset: FileToolset, services: Services, tmp_path: Path) -> None:
    rates = exchange(tmp_path, toolset, services, private=True)

    with anyio.fail_after(60):
        output = await rates.call(
            rates.tools()[0], {"base": "USD", "symbols": "EUR,GBP", "date": "2026-11-20"}
        )

    assert output.structured == RATES
    assert services.asked == [("/v1/2026-11-20", {"base": "USD", "symbols": "EUR,GBP"})]


async def test_the_shipped_file_reaches_public_addresses_only(
    toolset: FileToolset, services: Services, tmp_path: Path
) -> None:
    rates = exchange(tmp_path, toolset, services, private=False)

    with pytest.raises(PermissionDeniedError), anyio.fail_after(60):
        await rates.call(rates.tools()[0], {"base": "USD"})
    assert services.asked == []
