BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'toolhone.approvals','create_approvals','2026-01-01 00:00:00');
CREATE TABLE approvals (
            server TEXT NOT NULL,
            tool TEXT NOT NULL,
            hash TEXT NOT NULL REFERENCES definitions (hash),
            name TEXT NOT NULL,
            status TEXT NOT NULL,
            seen_at TEXT NOT NULL,
            decided_at TEXT,
            decided_by TEXT,
            PRIMARY KEY (server, tool, hash)
        ) WITHOUT ROWID
        ;
INSERT INTO "approvals" VALUES('"server 1"','"tool 1"','"hash 1"','"name 1"','"status 1"','"seen_at 1"','"decided_at 1"','"decided_by 1"');
INSERT INTO "approvals" VALUES('"server 2"','"tool 2"','"hash 2"','"name 2"','"status 2"','"seen_at 2"','"decided_at 2"','"decided_by 2"');
INSERT INTO "approvals" VALUES('"server 3"','"tool 3"','"hash 3"','"name 3"','"status 3"','"seen_at 3"','"decided_at 3"','"decided_by 3"');
CREATE TABLE definitions (
            hash TEXT PRIMARY KEY,
            definition TEXT NOT NULL
        );
INSERT INTO "definitions" VALUES('"hash 1"','"definition 1"');
INSERT INTO "definitions" VALUES('"hash 2"','"definition 2"');
INSERT INTO "definitions" VALUES('"hash 3"','"definition 3"');
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX approvals_by_hash ON approvals (hash);
COMMIT;
