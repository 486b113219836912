BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'toolhone.models','create_models','2026-01-01 00:00:00');
CREATE TABLE alias_changes (
            seq INTEGER PRIMARY KEY,
            category TEXT NOT NULL,
            alias TEXT NOT NULL,
            model_id TEXT REFERENCES models (model_id),
            at TEXT NOT NULL,
            by TEXT NOT NULL,
            why TEXT NOT NULL,
            override INTEGER NOT NULL,
            rolled_back INTEGER NOT NULL
        );
INSERT INTO "alias_changes" VALUES(1,'"category 1"','"alias 1"','"model_id 1"','"at 1"','"by 1"','"why 1"',1,1);
INSERT INTO "alias_changes" VALUES(2,'"category 2"','"alias 2"','"model_id 2"','"at 2"','"by 2"','"why 2"',2,2);
INSERT INTO "alias_changes" VALUES(3,'"category 3"','"alias 3"','"model_id 3"','"at 3"','"by 3"','"why 3"',3,3);
CREATE TABLE models (
            seq INTEGER PRIMARY KEY,
            model_id TEXT NOT NULL UNIQUE,
            category TEXT NOT NULL,
            provider TEXT NOT NULL,
            base_model TEXT NOT NULL,
            created_at TEXT NOT NULL,
            job_id TEXT NOT NULL,
            dataset_id TEXT NOT NULL,
            artifact_hash TEXT NOT NULL,
            path TEXT,
            passed INTEGER NOT NULL,
            verdict TEXT NOT NULL,
            tainted TEXT
        );
INSERT INTO "models" VALUES(1,'"model_id 1"','"category 1"','"provider 1"','"base_model 1"','"created_at 1"','"job_id 1"','"dataset_id 1"','"artifact_hash 1"','"path 1"',1,'"verdict 1"','"tainted 1"');
INSERT INTO "models" VALUES(2,'"model_id 2"','"category 2"','"provider 2"','"base_model 2"','"created_at 2"','"job_id 2"','"dataset_id 2"','"artifact_hash 2"','"path 2"',2,'"verdict 2"','"tainted 2"');
INSERT INTO "models" VALUES(3,'"model_id 3"','"category 3"','"provider 3"','"base_model 3"','"created_at 3"','"job_id 3"','"dataset_id 3"','"artifact_hash 3"','"path 3"',3,'"verdict 3"','"tainted 3"');
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX models_by_dataset ON models (dataset_id);
CREATE INDEX alias_changes_by_alias ON alias_changes (category, alias);
COMMIT;
