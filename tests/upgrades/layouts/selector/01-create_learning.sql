BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'toolhone.selector','create_learning','2026-01-01 00:00:00');
CREATE TABLE promotions (
            seq INTEGER PRIMARY KEY,
            version TEXT REFERENCES versions (version),
            at TEXT NOT NULL,
            why TEXT NOT NULL,
            back_to INTEGER REFERENCES promotions (seq)
        );
INSERT INTO "promotions" VALUES(1,'"version 1"','"at 1"','"why 1"',NULL);
INSERT INTO "promotions" VALUES(2,'"version 2"','"at 2"','"why 2"',NULL);
INSERT INTO "promotions" VALUES(3,'"version 3"','"at 3"','"why 3"',NULL);
CREATE TABLE task_vectors (
            encoder TEXT NOT NULL,
            task TEXT NOT NULL,
            vector BLOB NOT NULL,
            PRIMARY KEY (encoder, task)
        ) WITHOUT ROWID
        ;
INSERT INTO "task_vectors" VALUES('"encoder 1"','"task 1"',X'01010101');
INSERT INTO "task_vectors" VALUES('"encoder 2"','"task 2"',X'02020202');
INSERT INTO "task_vectors" VALUES('"encoder 3"','"task 3"',X'03030303');
CREATE TABLE versions (
            seq INTEGER PRIMARY KEY,
            version TEXT NOT NULL UNIQUE,
            created_at TEXT NOT NULL,
            encoder TEXT NOT NULL,
            artifact_hash TEXT NOT NULL,
            data_hash TEXT NOT NULL,
            until TEXT NOT NULL,
            parent TEXT,
            figures TEXT NOT NULL,
            expired TEXT,
            artifact BLOB NOT NULL
        );
INSERT INTO "versions" VALUES(1,'"version 1"','"created_at 1"','"encoder 1"','"artifact_hash 1"','"data_hash 1"','"until 1"','"parent 1"','"figures 1"','"expired 1"',X'01010101');
INSERT INTO "versions" VALUES(2,'"version 2"','"created_at 2"','"encoder 2"','"artifact_hash 2"','"data_hash 2"','"until 2"','"parent 2"','"figures 2"','"expired 2"',X'02020202');
INSERT INTO "versions" VALUES(3,'"version 3"','"created_at 3"','"encoder 3"','"artifact_hash 3"','"data_hash 3"','"until 3"','"parent 3"','"figures 3"','"expired 3"',X'03030303');
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
COMMIT;
