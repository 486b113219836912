BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'toolhone.cache','create_catalogs','2026-01-01 00:00:00');
CREATE TABLE catalogs (
            server TEXT PRIMARY KEY,
            fingerprint TEXT NOT NULL,
            content_hash TEXT NOT NULL,
            listed_at TEXT NOT NULL,
            tools TEXT NOT NULL
        );
INSERT INTO "catalogs" VALUES('"server 1"','"fingerprint 1"','"content_hash 1"','"listed_at 1"','"tools 1"');
INSERT INTO "catalogs" VALUES('"server 2"','"fingerprint 2"','"content_hash 2"','"listed_at 2"','"tools 2"');
INSERT INTO "catalogs" VALUES('"server 3"','"fingerprint 3"','"content_hash 3"','"listed_at 3"','"tools 3"');
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
COMMIT;
