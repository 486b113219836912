BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'toolhone.snapshots','create_snapshots','2026-01-01 00:00:00');
INSERT INTO "_sqlite_migrations" VALUES(2,'toolhone.snapshots','number_snapshots','2026-01-01 00:00:00');
CREATE TABLE gone (
            snapshot_id TEXT PRIMARY KEY,
            agent_id TEXT,
            subject TEXT,
            erased_at TEXT
        ) WITHOUT ROWID
        ;
INSERT INTO "gone" VALUES('"snapshot_id 1"','"agent_id 1"','"subject 1"','"erased_at 1"');
INSERT INTO "gone" VALUES('"snapshot_id 2"','"agent_id 2"','"subject 2"','"erased_at 2"');
INSERT INTO "gone" VALUES('"snapshot_id 3"','"agent_id 3"','"subject 3"','"erased_at 3"');
CREATE TABLE numbers (last INTEGER NOT NULL);
INSERT INTO "numbers" VALUES(3);
CREATE TABLE secrets (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
INSERT INTO "secrets" VALUES('"name 1"',X'01010101');
INSERT INTO "secrets" VALUES('"name 2"',X'02020202');
INSERT INTO "secrets" VALUES('"name 3"',X'03030303');
CREATE TABLE snapshots (
            seq INTEGER PRIMARY KEY,
            snapshot_id TEXT NOT NULL UNIQUE,
            recorded_at TEXT NOT NULL,
            agent_id TEXT NOT NULL,
            agent_name TEXT NOT NULL,
            category TEXT NOT NULL,
            task_type TEXT NOT NULL,
            success INTEGER NOT NULL,
            performance_score REAL NOT NULL,
            execution_time_ms REAL NOT NULL,
            tokens_used INTEGER NOT NULL,
            user_feedback REAL,
            session TEXT,
            subject TEXT,
            content TEXT NOT NULL
        );
INSERT INTO "snapshots" VALUES(1,'"snapshot_id 1"','"recorded_at 1"','"agent_id 1"','"agent_name 1"','"category 1"','"task_type 1"',1,1.5,1.5,1,1.5,'"session 1"','"subject 1"','"content 1"');
INSERT INTO "snapshots" VALUES(2,'"snapshot_id 2"','"recorded_at 2"','"agent_id 2"','"agent_name 2"','"category 2"','"task_type 2"',2,2.5,2.5,2,2.5,'"session 2"','"subject 2"','"content 2"');
INSERT INTO "snapshots" VALUES(3,'"snapshot_id 3"','"recorded_at 3"','"agent_id 3"','"agent_name 3"','"category 3"','"task_type 3"',3,3.5,3.5,3,3.5,'"session 3"','"subject 3"','"content 3"');
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX snapshots_by_category ON snapshots (category, recorded_at, success, performance_score);
CREATE INDEX snapshots_by_time ON snapshots (recorded_at);
CREATE INDEX snapshots_by_agent ON snapshots (agent_id, recorded_at);
CREATE INDEX snapshots_by_subject ON snapshots (subject, recorded_at) WHERE subject IS NOT NULL;
CREATE INDEX gone_by_agent ON gone (agent_id) WHERE agent_id IS NOT NULL;
CREATE INDEX gone_by_subject ON gone (subject) WHERE subject IS NOT NULL;
CREATE INDEX gone_for_good ON gone (erased_at, snapshot_id) WHERE erased_at IS NOT NULL;
COMMIT;
