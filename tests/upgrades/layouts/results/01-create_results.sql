BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'toolhone.results','create_results','2026-01-01 00:00:00');
CREATE TABLE results (
            id INTEGER PRIMARY KEY,
            handle TEXT NOT NULL UNIQUE,
            principal TEXT NOT NULL,
            tool TEXT NOT NULL,
            call_id TEXT NOT NULL,
            created_at REAL NOT NULL,
            expires_at REAL NOT NULL,
            media TEXT NOT NULL,
            size INTEGER NOT NULL,
            body BLOB
        );
INSERT INTO "results" VALUES(1,'"handle 1"','"principal 1"','"tool 1"','"call_id 1"',1.5,1.5,'"media 1"',1,X'01010101');
INSERT INTO "results" VALUES(2,'"handle 2"','"principal 2"','"tool 2"','"call_id 2"',2.5,2.5,'"media 2"',2,X'02020202');
INSERT INTO "results" VALUES(3,'"handle 3"','"principal 3"','"tool 3"','"call_id 3"',3.5,3.5,'"media 3"',3,X'03030303');
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX results_kept ON results (expires_at, size) WHERE body IS NOT NULL;
COMMIT;
