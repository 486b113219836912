BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'toolhone.cache','create_catalogs','2026-01-01 00:00:00');
INSERT INTO "_sqlite_migrations" VALUES(2,'toolhone.cache','create_vectors','2026-01-01 00:00:00');
INSERT INTO "_sqlite_migrations" VALUES(3,'toolhone.cache','add_vectors_used_on','2026-01-01 00:00:00');
INSERT INTO "_sqlite_migrations" VALUES(4,'toolhone.cache','create_token_vectors','2026-01-01 00:00:00');
INSERT INTO "_sqlite_migrations" VALUES(5,'toolhone.cache','index_vectors_by_use','2026-01-01 00:00:00');
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
CREATE TABLE token_vectors (
            model TEXT NOT NULL,
            text_hash TEXT NOT NULL,
            vectors BLOB NOT NULL,
            UNIQUE (model, text_hash)
        );
INSERT INTO "token_vectors" VALUES('"model 1"','"text_hash 1"',X'01010101');
INSERT INTO "token_vectors" VALUES('"model 2"','"text_hash 2"',X'02020202');
INSERT INTO "token_vectors" VALUES('"model 3"','"text_hash 3"',X'03030303');
CREATE TABLE vectors (
            model TEXT NOT NULL,
            text_hash TEXT NOT NULL,
            vector BLOB NOT NULL, used_on INTEGER NOT NULL DEFAULT 0,
            UNIQUE (model, text_hash)
        );
INSERT INTO "vectors" VALUES('"model 1"','"text_hash 1"',X'01010101',20780);
INSERT INTO "vectors" VALUES('"model 2"','"text_hash 2"',X'02020202',20780);
INSERT INTO "vectors" VALUES('"model 3"','"text_hash 3"',X'03030303',20780);
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX vectors_by_use ON vectors (used_on, model, text_hash);
COMMIT;
