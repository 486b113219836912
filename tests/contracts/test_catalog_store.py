"""What every CatalogStore does."""

from toolhone.stores import CatalogStore, StoredCatalog


def catalog(server: str, *names: str) -> StoredCatalog:
    return StoredCatalog(
        server=server,
        fingerprint="sha256:entry",
        content_hash="sha256:tools",
        tools=tuple({"name": name, "inputSchema": {"type": "object"}, "odd": "\ud800"} for name in names),
        listed_at="2026-01-31T12:00:00.000000+00:00",
    )


def test_nothing_is_stored_at_first(catalog_store: CatalogStore) -> None:
    assert catalog_store.load() == {}


def test_a_catalog_comes_back_as_it_was(catalog_store: CatalogStore) -> None:
    git, time = catalog("git", "log", "diff"), catalog("time")
    catalog_store.save(time)
    catalog_store.save(git)

    assert catalog_store.load() == {"git": git, "time": time}
    assert list(catalog_store.load()["git"].tools[0]) == ["name", "inputSchema", "odd"]


def test_a_newer_catalog_takes_the_place_of_the_older(catalog_store: CatalogStore) -> None:
    catalog_store.save(catalog("git", "log"))
    catalog_store.save(catalog("git", "diff"))

    assert catalog_store.load() == {"git": catalog("git", "diff")}


def test_a_deleted_catalog_is_gone(catalog_store: CatalogStore) -> None:
    catalog_store.save(catalog("git", "log"))
    catalog_store.delete("git")
    catalog_store.delete("never there")

    assert catalog_store.load() == {}
