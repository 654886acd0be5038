/** Lists approvals as `KnownNode`. The time of the request stands for all times, because no other is stored. */
export const listApprovals = `
SELECT app, address, pin, name, asked AS firstSeen, asked AS lastSeen, NULL AS lastDelivery, state, NULL AS error
FROM approvals ORDER BY app, address`
