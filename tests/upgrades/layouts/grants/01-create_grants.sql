BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'toolhone.grants','create_grants','2026-01-01 00:00:00');
CREATE TABLE grants (
            server TEXT NOT NULL,
            url TEXT NOT NULL,
            client TEXT,
            tokens TEXT,
            found TEXT NOT NULL,
            renew_at REAL,
            granted_at TEXT NOT NULL,
            granted_by TEXT NOT NULL,
            renewed_at TEXT,
            PRIMARY KEY (server, url)
        );
INSERT INTO "grants" VALUES('"server 1"','"url 1"','"client 1"','"tokens 1"','"found 1"',1.5,'"granted_at 1"','"granted_by 1"','"renewed_at 1"');
INSERT INTO "grants" VALUES('"server 2"','"url 2"','"client 2"','"tokens 2"','"found 2"',2.5,'"granted_at 2"','"granted_by 2"','"renewed_at 2"');
INSERT INTO "grants" VALUES('"server 3"','"url 3"','"client 3"','"tokens 3"','"found 3"',3.5,'"granted_at 3"','"granted_by 3"','"renewed_at 3"');
CREATE TABLE renewals (
            server TEXT NOT NULL,
            url TEXT NOT NULL,
            owner TEXT NOT NULL,
            until REAL NOT NULL,
            PRIMARY KEY (server, url)
        );
INSERT INTO "renewals" VALUES('"server 1"','"url 1"','"owner 1"',1.5);
INSERT INTO "renewals" VALUES('"server 2"','"url 2"','"owner 2"',2.5);
INSERT INTO "renewals" VALUES('"server 3"','"url 3"','"owner 3"',3.5);
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
COMMIT;
