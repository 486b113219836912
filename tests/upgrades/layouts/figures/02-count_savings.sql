BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'toolhone.figures','create_figures','2026-01-01 00:00:00');
INSERT INTO "_sqlite_migrations" VALUES(2,'toolhone.figures','count_savings','2026-01-01 00:00:00');
CREATE TABLE counted (seq INTEGER NOT NULL, row_hash TEXT NOT NULL, timestamp TEXT);
INSERT INTO "counted" VALUES(0,'',NULL);
CREATE TABLE counts (
            width INTEGER NOT NULL,
            about TEXT NOT NULL,
            start INTEGER NOT NULL,
            server TEXT NOT NULL,
            kind TEXT NOT NULL,
            code TEXT NOT NULL,
            events INTEGER NOT NULL,
            tokens INTEGER NOT NULL,
            of_all INTEGER NOT NULL,
            PRIMARY KEY (width, about, start, server, kind, code)
        ) WITHOUT ROWID
        ;
INSERT INTO "counts" VALUES(1,'"about 1"',1,'"server 1"','"kind 1"','"code 1"',1,1,1);
INSERT INTO "counts" VALUES(2,'"about 2"',2,'"server 2"','"kind 2"','"code 2"',2,2,2);
INSERT INTO "counts" VALUES(3,'"about 3"',3,'"server 3"','"kind 3"','"code 3"',3,3,3);
CREATE TABLE durations (
            width INTEGER NOT NULL,
            about TEXT NOT NULL,
            start INTEGER NOT NULL,
            kind TEXT NOT NULL,
            buckets TEXT NOT NULL,
            PRIMARY KEY (width, about, start, kind)
        ) WITHOUT ROWID
        ;
INSERT INTO "durations" VALUES(1,'"about 1"',1,'"kind 1"','"buckets 1"');
INSERT INTO "durations" VALUES(2,'"about 2"',2,'"kind 2"','"buckets 2"');
INSERT INTO "durations" VALUES(3,'"about 3"',3,'"kind 3"','"buckets 3"');
CREATE TABLE savings (seq INTEGER NOT NULL, selections INTEGER NOT NULL, saved INTEGER NOT NULL);
INSERT INTO "savings" VALUES(0,0,0);
CREATE TABLE seen (day INTEGER NOT NULL, who TEXT NOT NULL, PRIMARY KEY (day, who)) WITHOUT ROWID;
INSERT INTO "seen" VALUES(1,'"who 1"');
INSERT INTO "seen" VALUES(2,'"who 2"');
INSERT INTO "seen" VALUES(3,'"who 3"');
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
COMMIT;
