/** Published, so it may not be edited. */
export const migration0002 = `
  CREATE TABLE containers (
    app TEXT NOT NULL,
    id TEXT NOT NULL,
    started TEXT NOT NULL,
    complete INTEGER NOT NULL,
    owed TEXT,
    PRIMARY KEY (app, id)
  ) STRICT, WITHOUT ROWID;
`
