"""The weather from open-meteo.com, which needs no key."""

import os
import re
from typing import Any, cast

import httpx2

GEOCODING_URL = "https://geocoding-api.open-meteo.com/v1/search"
FORECAST_URL = "https://api.open-meteo.com/v1/forecast"

_COORDINATES = re.compile(r"\s*(-?\d{1,2}(?:\.\d+)?)\s*,\s*(-?\d{1,3}(?:\.\d+)?)\s*")
_CONDITIONS = {
    0: "clear sky",
    1: "mainly clear",
    2: "partly cloudy",
    3: "overcast",
    45: "fog",
    48: "depositing rime fog",
    51: "light drizzle",
    53: "drizzle",
    55: "dense drizzle",
    56: "light freezing drizzle",
    57: "dense freezing drizzle",
    61: "slight rain",
    63: "rain",
    65: "heavy rain",
    66: "light freezing rain",
    67: "heavy freezing rain",
    71: "slight snowfall",
    73: "snowfall",
    75: "heavy snowfall",
    77: "snow grains",
    80: "slight rain showers",
    81: "rain showers",
    82: "violent rain showers",
    85: "slight snow showers",
    86: "heavy snow showers",
    95: "thunderstorm",
    96: "thunderstorm with slight hail",
    99: "thunderstorm with heavy hail",
}


class WeatherError(Exception):
    """The weather cannot be told."""


async def get_weather(location: str, units: str = "celsius") -> dict[str, Any]:
    """The weather now and for the next three days at a place."""
    async with httpx2.AsyncClient(timeout=10) as client:
        place = await _find(client, location)
        answer = await _get(
            client,
            os.environ.get("TOOLHONE_WEATHER_FORECAST_URL", FORECAST_URL),
            {
                "latitude": place["latitude"],
                "longitude": place["longitude"],
                "current": "temperature_2m,apparent_temperature,relative_humidity_2m,precipitation,"
                "weather_code,wind_speed_10m,wind_direction_10m",
                "daily": "weather_code,temperature_2m_max,temperature_2m_min,precipitation_sum",
                "temperature_unit": units,
                "forecast_days": 3,
                "timezone": "auto",
            },
        )
    try:
        return {"location": place | {"timezone": answer["timezone"]}, "units": units, **_readings(answer)}
    except (KeyError, TypeError, IndexError) as exc:
        raise WeatherError(f"The weather service answered in another form than expected: {exc!r}.") from exc


def _readings(answer: dict[str, Any]) -> dict[str, Any]:
    now, daily = answer["current"], answer["daily"]
    return {
        "time": now["time"],
        "conditions": _conditions(now["weather_code"]),
        "temperature": now["temperature_2m"],
        "feels_like": now["apparent_temperature"],
        "humidity_percent": now["relative_humidity_2m"],
        "precipitation_mm": now["precipitation"],
        "wind_kmh": now["wind_speed_10m"],
        "wind_direction_degrees": now["wind_direction_10m"],
        "forecast": [
            {
                "date": date,
                "conditions": _conditions(daily["weather_code"][day]),
                "low": daily["temperature_2m_min"][day],
                "high": daily["temperature_2m_max"][day],
                "precipitation_mm": daily["precipitation_sum"][day],
            }
            for day, date in enumerate(daily["time"])
        ],
    }


async def _find(client: httpx2.AsyncClient, location: str) -> dict[str, Any]:
    coordinates = _COORDINATES.fullmatch(location)
    if coordinates:
        latitude, longitude = float(coordinates[1]), float(coordinates[2])
        if abs(latitude) > 90 or abs(longitude) > 180:
            raise WeatherError(f"{location!r} is no place on earth; give latitude,longitude in degrees.")
        return {"name": location.strip(), "latitude": latitude, "longitude": longitude}
    # The service knows places by name alone, so "Paris, France" is asked for as Paris and then chosen.
    name, _, rest = (part.strip() for part in location.partition(","))
    answer = await _get(
        client,
        os.environ.get("TOOLHONE_WEATHER_GEOCODING_URL", GEOCODING_URL),
        {"name": name, "count": 10, "language": "en", "format": "json"},
    )
    found: list[dict[str, Any]] = answer.get("results") or []
    if not found:
        raise WeatherError(f"No place is called {location!r}; try the nearest town, or latitude,longitude.")
    place = max(found, key=lambda candidate: _fits(candidate, rest))  # The first of equals, the largest.
    if rest and not _fits(place, rest):
        known = ", ".join(sorted({str(candidate.get("country")) for candidate in found}))
        raise WeatherError(f"No {name!r} is known in {rest!r}, only in: {known}.")
    kept = ("name", "admin1", "country", "latitude", "longitude")
    return {key: place[key] for key in kept if place.get(key) is not None}


def _fits(place: dict[str, Any], rest: str) -> bool:
    wanted = {part.strip().casefold() for part in rest.split(",") if part.strip()}
    names = {str(place.get(key, "")).casefold() for key in ("country", "country_code", "admin1", "admin2")}
    return wanted <= names


async def _get(client: httpx2.AsyncClient, url: str, parameters: dict[str, Any]) -> dict[str, Any]:
    host = httpx2.URL(url).host
    try:
        response = await client.get(url, params=parameters)
    except httpx2.TimeoutException as exc:
        raise WeatherError(f"{host} did not answer within 10 s; try again later.") from exc
    except httpx2.TransportError as exc:
        raise WeatherError(f"{host} cannot be reached ({exc}); is there a network?") from exc
    try:
        answer: Any = response.json()
    except ValueError as exc:
        raise WeatherError(f"{host} answered HTTP {response.status_code} with what is not JSON.") from exc
    if not isinstance(answer, dict):
        raise WeatherError(f"{host} answered HTTP {response.status_code} with what is no object.")
    found = cast("dict[str, Any]", answer)
    if response.is_error:
        reason = found.get("reason", "no reason given")
        raise WeatherError(f"{host} answered HTTP {response.status_code}: {reason}.")
    return found


def _conditions(code: int) -> str:
    return _CONDITIONS.get(code, f"WMO weather code {code}")
