export const upsertAuditHead = `
INSERT INTO audit_head (id, seq, hash, size_bytes, pending) VALUES (1, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET
  seq = excluded.seq, hash = excluded.hash, size_bytes = excluded.size_bytes, pending = excluded.pending`
