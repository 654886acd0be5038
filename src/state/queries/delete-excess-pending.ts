/** Deletes all but the newest pending pins at one address, without the one that has just asked. */
export const deleteExcessPending = `
DELETE FROM approvals WHERE app = ? AND address = ? AND state = 'pending' AND pin IN (
  SELECT pin FROM approvals WHERE app = ? AND address = ? AND state = 'pending' AND pin <> ?
  ORDER BY asked DESC, pin LIMIT -1 OFFSET ?)`
