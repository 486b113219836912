BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'toolhone.audit','create_audit','2026-01-01 00:00:00');
CREATE TABLE audit (
            seq INTEGER PRIMARY KEY,
            event_id TEXT NOT NULL UNIQUE,
            timestamp TEXT NOT NULL,
            kind TEXT NOT NULL,
            principal TEXT NOT NULL,
            client TEXT,
            session TEXT,
            request_id TEXT,
            call_id TEXT,
            slot TEXT,
            tool TEXT,
            server TEXT,
            success INTEGER,
            error_code TEXT,
            execution_time_ms REAL,
            tokens_used INTEGER,
            payload_hash TEXT NOT NULL,
            previous_hash TEXT NOT NULL,
            row_hash TEXT NOT NULL,
            salt TEXT,
            payload TEXT
        );
INSERT INTO "audit" VALUES(1,'"event_id 1"','"timestamp 1"','"kind 1"','"principal 1"','"client 1"','"session 1"','"request_id 1"','"call_id 1"','"slot 1"','"tool 1"','"server 1"',1,'"error_code 1"',1.5,1,'"payload_hash 1"','"previous_hash 1"','"row_hash 1"','"salt 1"','"payload 1"');
INSERT INTO "audit" VALUES(2,'"event_id 2"','"timestamp 2"','"kind 2"','"principal 2"','"client 2"','"session 2"','"request_id 2"','"call_id 2"','"slot 2"','"tool 2"','"server 2"',2,'"error_code 2"',2.5,2,'"payload_hash 2"','"previous_hash 2"','"row_hash 2"','"salt 2"','"payload 2"');
INSERT INTO "audit" VALUES(3,'"event_id 3"','"timestamp 3"','"kind 3"','"principal 3"','"client 3"','"session 3"','"request_id 3"','"call_id 3"','"slot 3"','"tool 3"','"server 3"',3,'"error_code 3"',3.5,3,'"payload_hash 3"','"previous_hash 3"','"row_hash 3"','"salt 3"','"payload 3"');
CREATE TABLE audit_head (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            seq INTEGER NOT NULL,
            row_hash TEXT NOT NULL
        );
INSERT INTO "audit_head" VALUES(1,0,'sha256:0000000000000000000000000000000000000000000000000000000000000000');
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX audit_by_request ON audit (request_id) WHERE request_id IS NOT NULL;
CREATE INDEX audit_by_call ON audit (call_id) WHERE call_id IS NOT NULL;
CREATE INDEX audit_usage ON audit (tool, success, execution_time_ms, tokens_used) WHERE kind = 'call';
CREATE TRIGGER audit_rows_stay BEFORE DELETE ON audit
        BEGIN SELECT RAISE(ABORT, 'audit rows are never deleted'); END;
CREATE TRIGGER audit_rows_keep_their_values BEFORE UPDATE ON audit
        WHEN NEW.payload IS NOT NULL OR NEW.salt IS NOT NULL
        BEGIN SELECT RAISE(ABORT, 'audit rows are never changed, only their payload erased'); END;
CREATE TRIGGER audit_columns_keep_their_values BEFORE UPDATE OF
            seq, event_id, timestamp, kind, principal, client, session, request_id, call_id, slot,
            tool, server, success, error_code, execution_time_ms, tokens_used, payload_hash,
            previous_hash, row_hash
        ON audit
        BEGIN SELECT RAISE(ABORT, 'audit rows are never changed, only their payload erased'); END;
COMMIT;
