/** Lists nodes as `KnownNode`. */
const columns = `
SELECT app, address, pin, name, first_seen AS firstSeen, last_seen AS lastSeen, last_delivery AS lastDelivery, state, error
FROM nodes`

export const listNodes = `${columns} ORDER BY app, address`

export const listNodesOfApp = `${columns} WHERE app = ? ORDER BY address`
