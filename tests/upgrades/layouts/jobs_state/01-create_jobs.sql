BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'toolhone.jobs','create_jobs','2026-01-01 00:00:00');
CREATE TABLE budgets (
            category TEXT PRIMARY KEY,
            limit_usd REAL,
            at TEXT NOT NULL
        ) WITHOUT ROWID
        ;
INSERT INTO "budgets" VALUES('"category 1"',1.5,'"at 1"');
INSERT INTO "budgets" VALUES('"category 2"',2.5,'"at 2"');
INSERT INTO "budgets" VALUES('"category 3"',3.5,'"at 3"');
CREATE TABLE events (
            seq INTEGER PRIMARY KEY,
            job_id TEXT NOT NULL,
            at TEXT NOT NULL,
            kind TEXT NOT NULL,
            message TEXT NOT NULL,
            data TEXT NOT NULL
        );
INSERT INTO "events" VALUES(1,'"job_id 1"','"at 1"','"kind 1"','"message 1"','"data 1"');
INSERT INTO "events" VALUES(2,'"job_id 2"','"at 2"','"kind 2"','"message 2"','"data 2"');
INSERT INTO "events" VALUES(3,'"job_id 3"','"at 3"','"kind 3"','"message 3"','"data 3"');
CREATE TABLE jobs (
            seq INTEGER PRIMARY KEY,
            job_id TEXT NOT NULL UNIQUE,
            plan_id TEXT NOT NULL UNIQUE,
            category TEXT NOT NULL,
            status TEXT NOT NULL,
            job TEXT NOT NULL
        );
INSERT INTO "jobs" VALUES(1,'"job_id 1"','"plan_id 1"','"category 1"','"status 1"','"job 1"');
INSERT INTO "jobs" VALUES(2,'"job_id 2"','"plan_id 2"','"category 2"','"status 2"','"job 2"');
INSERT INTO "jobs" VALUES(3,'"job_id 3"','"plan_id 3"','"category 3"','"status 3"','"job 3"');
CREATE TABLE ledger (
            job_id TEXT NOT NULL,
            attempt INTEGER NOT NULL,
            category TEXT NOT NULL,
            reserved REAL NOT NULL,
            spent REAL NOT NULL,
            at TEXT NOT NULL,
            PRIMARY KEY (job_id, attempt)
        ) WITHOUT ROWID
        ;
INSERT INTO "ledger" VALUES('"job_id 1"',1,'"category 1"',1.5,1.5,'"at 1"');
INSERT INTO "ledger" VALUES('"job_id 2"',2,'"category 2"',2.5,2.5,'"at 2"');
INSERT INTO "ledger" VALUES('"job_id 3"',3,'"category 3"',3.5,3.5,'"at 3"');
CREATE TABLE plans (
            plan_id TEXT PRIMARY KEY,
            created_at TEXT NOT NULL,
            plan TEXT NOT NULL
        );
INSERT INTO "plans" VALUES('"plan_id 1"','"created_at 1"','"plan 1"');
INSERT INTO "plans" VALUES('"plan_id 2"','"created_at 2"','"plan 2"');
INSERT INTO "plans" VALUES('"plan_id 3"','"created_at 3"','"plan 3"');
CREATE TABLE submissions (
            job_id TEXT NOT NULL,
            attempt INTEGER NOT NULL,
            key TEXT NOT NULL UNIQUE,
            at TEXT NOT NULL,
            provider_job_id TEXT,
            PRIMARY KEY (job_id, attempt)
        ) WITHOUT ROWID
        ;
INSERT INTO "submissions" VALUES('"job_id 1"',1,'"key 1"','"at 1"','"provider_job_id 1"');
INSERT INTO "submissions" VALUES('"job_id 2"',2,'"key 2"','"at 2"','"provider_job_id 2"');
INSERT INTO "submissions" VALUES('"job_id 3"',3,'"key 3"','"at 3"','"provider_job_id 3"');
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX jobs_by_status ON jobs (status, seq);
CREATE INDEX jobs_by_category ON jobs (category, seq);
CREATE INDEX events_of_a_job ON events (job_id, seq);
CREATE INDEX ledger_of_a_category ON ledger (category, reserved, spent);
COMMIT;
