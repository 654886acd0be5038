/** Approvals as `KnownNode`: the time at which a pin asked is the only one there is. */
export const listApprovals = `
SELECT app, address, pin, name, asked AS firstSeen, asked AS lastSeen, NULL AS lastDelivery, state, NULL AS error
FROM approvals ORDER BY app, address`
