/**
 * Writes a sighting. Another pin at an address is a new node. A failed delivery keeps the time of the last successful
 * one.
 */
export const upsertNode = `
INSERT INTO nodes (app, address, pin, name, first_seen, last_seen, last_delivery, state, error)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (app, address) DO UPDATE SET
  first_seen = CASE WHEN pin = excluded.pin THEN first_seen ELSE excluded.first_seen END,
  pin = excluded.pin, name = excluded.name, last_seen = excluded.last_seen,
  last_delivery = coalesce(excluded.last_delivery, last_delivery), state = excluded.state, error = excluded.error`
