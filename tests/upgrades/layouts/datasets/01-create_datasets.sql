BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'toolhone.datasets','create_datasets','2026-01-01 00:00:00');
CREATE TABLE datasets (
            seq INTEGER PRIMARY KEY,
            dataset_id TEXT NOT NULL UNIQUE,
            category TEXT NOT NULL,
            version INTEGER NOT NULL,
            content_hash TEXT NOT NULL,
            manifest TEXT NOT NULL,
            revoked_at TEXT,
            revoked_why TEXT,
            replaced_by TEXT,
            UNIQUE (category, version)
        );
INSERT INTO "datasets" VALUES(1,'"dataset_id 1"','"category 1"',1,'"content_hash 1"','"manifest 1"','"revoked_at 1"','"revoked_why 1"','"replaced_by 1"');
INSERT INTO "datasets" VALUES(2,'"dataset_id 2"','"category 2"',2,'"content_hash 2"','"manifest 2"','"revoked_at 2"','"revoked_why 2"','"replaced_by 2"');
INSERT INTO "datasets" VALUES(3,'"dataset_id 3"','"category 3"',3,'"content_hash 3"','"manifest 3"','"revoked_at 3"','"revoked_why 3"','"replaced_by 3"');
CREATE TABLE members (
            snapshot_id TEXT NOT NULL,
            dataset INTEGER NOT NULL REFERENCES datasets (seq),
            place TEXT NOT NULL,
            PRIMARY KEY (snapshot_id, dataset, place)
        ) WITHOUT ROWID
        ;
INSERT INTO "members" VALUES('"snapshot_id 1"',1,'"place 1"');
INSERT INTO "members" VALUES('"snapshot_id 2"',2,'"place 2"');
INSERT INTO "members" VALUES('"snapshot_id 3"',3,'"place 3"');
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE UNIQUE INDEX datasets_by_content ON datasets (category, content_hash) WHERE revoked_at IS NULL;
CREATE INDEX members_by_dataset ON members (dataset);
COMMIT;
