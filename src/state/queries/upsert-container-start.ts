/** Writes the one row of a container and an app, which a new start overwrites. */
export const upsertContainerStart = `
INSERT INTO containers (app, id, started, complete, owed) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (app, id) DO UPDATE SET started = excluded.started, complete = excluded.complete, owed = excluded.owed`
