-- What an agent of schema version 4 left: `sqlite3 history.db .dump` after two writes of an output.
PRAGMA user_version = 4;
CREATE TABLE aggregated (upto INTEGER);
INSERT INTO "aggregated" VALUES(0);
CREATE TABLE alarm (
    id INTEGER PRIMARY KEY, time REAL, machine TEXT, output TEXT, active INTEGER, score REAL,
    alarm TEXT, warning TEXT, monotonic INTEGER, boot INTEGER REFERENCES boot, synchronised INTEGER);
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT, time REAL, entry TEXT, previous TEXT, hash TEXT);
INSERT INTO "audit" VALUES(1,1.5,'{"config": "b", "machine": "m", "model": "a", "new": 1.0, "old": null, "output": "o", "what_came": "", "why": "alarm"}','0000000000000000000000000000000000000000000000000000000000000000','79215b4d84b0287d070546bf9fd1fa611b8cc489e9cc6988bc4c07b489c442e8');
INSERT INTO "audit" VALUES(2,3.0,'{"config": "b", "machine": "m", "model": "a", "new": 2.0, "old": null, "output": "o", "what_came": "", "why": "alarm"}','79215b4d84b0287d070546bf9fd1fa611b8cc489e9cc6988bc4c07b489c442e8','e581a8449b717677f60654a710fde895d6153dbb461f0455db746c0d560cc2cb');
CREATE TABLE boot (id INTEGER PRIMARY KEY, boot TEXT UNIQUE);
CREATE TABLE event (id INTEGER PRIMARY KEY, time REAL, subject TEXT, kind TEXT, text TEXT, monotonic INTEGER, boot INTEGER REFERENCES boot, synchronised INTEGER);
CREATE TABLE hour (
    id INTEGER PRIMARY KEY, time INTEGER, machine TEXT, until REAL, scores TEXT, inputs TEXT);
CREATE TABLE minute (
    id INTEGER PRIMARY KEY, time INTEGER, machine TEXT, until REAL, scores TEXT, inputs TEXT);
CREATE TABLE result (
    id INTEGER PRIMARY KEY, time REAL, machine TEXT, sequence INTEGER, state TEXT, reason TEXT,
    score REAL, alarm INTEGER, inputs TEXT, outputs TEXT, monotonic INTEGER, boot INTEGER REFERENCES boot, synchronised INTEGER);
CREATE UNIQUE INDEX alarm_once ON alarm(boot, monotonic, machine, output);
CREATE UNIQUE INDEX event_once ON event(boot, monotonic, subject, kind);
CREATE UNIQUE INDEX minute_of ON minute(machine, time);
CREATE UNIQUE INDEX hour_of ON hour(machine, time);
