/** "PuCA" in ASCII, and the version of the schema. An index of another version is rebuilt, not migrated. */
export const applicationId = 0x50754341
export const schemaVersion = 1

export const indexSchema = `
  CREATE TABLE certificates (
    id TEXT PRIMARY KEY,
    serial TEXT NOT NULL,
    name TEXT NOT NULL,
    notBefore INTEGER NOT NULL,
    notAfter INTEGER NOT NULL,
    names TEXT NOT NULL,
    origin TEXT NOT NULL,
    hasKey INTEGER NOT NULL,
    keyType TEXT NOT NULL,
    keyId TEXT NOT NULL,
    issuer TEXT NOT NULL,
    at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX certificates_by_name ON certificates (name, at DESC, id DESC);
  CREATE INDEX certificates_by_serial ON certificates (serial);
  CREATE TABLE requests (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    names TEXT NOT NULL,
    keyType TEXT NOT NULL,
    at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE revocations (serial TEXT PRIMARY KEY, at INTEGER NOT NULL, reason TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE numbers (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  PRAGMA application_id = ${applicationId};
  PRAGMA user_version = ${schemaVersion};
`
