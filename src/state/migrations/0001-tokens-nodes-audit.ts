/** Published, so it may not be edited. */
export const migration0001 = `
  CREATE TABLE tokens (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    app TEXT NOT NULL,
    token BLOB NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER
  ) STRICT;
  CREATE INDEX tokens_by_app ON tokens (app);

  CREATE TABLE nodes (
    app TEXT NOT NULL,
    address TEXT NOT NULL,
    pin TEXT NOT NULL,
    name TEXT NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    last_delivery INTEGER,
    state TEXT NOT NULL,
    error TEXT,
    PRIMARY KEY (app, address)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX nodes_by_time ON nodes (app, last_seen);

  CREATE TABLE approvals (
    app TEXT NOT NULL,
    pin TEXT NOT NULL,
    address TEXT NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    asked INTEGER NOT NULL,
    PRIMARY KEY (app, pin)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE audit_head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    seq INTEGER NOT NULL,
    hash TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    pending TEXT NOT NULL
  ) STRICT;

  CREATE TABLE keys (name TEXT PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
  CREATE TABLE numbers (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
`
