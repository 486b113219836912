BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'toolhone.access','create_tokens','2026-01-01 00:00:00');
CREATE TABLE tokens (
            seq INTEGER PRIMARY KEY,
            token_id TEXT NOT NULL UNIQUE,
            secret_hash BLOB NOT NULL,
            name TEXT NOT NULL,
            role TEXT NOT NULL,
            scopes TEXT,
            tools TEXT,
            requests_per_minute INTEGER,
            created_at TEXT NOT NULL,
            created_by TEXT NOT NULL,
            expires_at TEXT,
            revoked_at TEXT,
            used_on TEXT
        );
INSERT INTO "tokens" VALUES(1,'"token_id 1"',X'01010101','"name 1"','"role 1"','"scopes 1"','"tools 1"',1,'"created_at 1"','"created_by 1"','"expires_at 1"','"revoked_at 1"','"used_on 1"');
INSERT INTO "tokens" VALUES(2,'"token_id 2"',X'02020202','"name 2"','"role 2"','"scopes 2"','"tools 2"',2,'"created_at 2"','"created_by 2"','"expires_at 2"','"revoked_at 2"','"used_on 2"');
INSERT INTO "tokens" VALUES(3,'"token_id 3"',X'03030303','"name 3"','"role 3"','"scopes 3"','"tools 3"',3,'"created_at 3"','"created_by 3"','"expires_at 3"','"revoked_at 3"','"used_on 3"');
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
COMMIT;
