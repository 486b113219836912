BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'toolhone.requests','create_requests','2026-01-01 00:00:00');
CREATE TABLE requests (
            seq INTEGER PRIMARY KEY AUTOINCREMENT,
            principal TEXT NOT NULL,
            key TEXT NOT NULL,
            fingerprint TEXT NOT NULL,
            at TEXT NOT NULL,
            status INTEGER,
            body BLOB,
            UNIQUE (principal, key)
        );
INSERT INTO "requests" VALUES(1,'"principal 1"','"key 1"','"fingerprint 1"','"at 1"',1,X'01010101');
INSERT INTO "requests" VALUES(2,'"principal 2"','"key 2"','"fingerprint 2"','"at 2"',2,X'02020202');
INSERT INTO "requests" VALUES(3,'"principal 3"','"key 3"','"fingerprint 3"','"at 3"',3,X'03030303');
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX requests_by_time ON requests (at);
COMMIT;
