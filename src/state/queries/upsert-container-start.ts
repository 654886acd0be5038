/** A container has one row for each app: another start of it takes the row over. */
export const upsertContainerStart = `
INSERT INTO containers (app, id, started, complete, owed) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (app, id) DO UPDATE SET started = excluded.started, complete = excluded.complete, owed = excluded.owed`
