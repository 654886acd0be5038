import type { IndexedRequest, ListedRow } from "./index-database.ts"
import type { Listed, ListedState, Origin } from "./record.ts"
import { dueAt } from "./renewal.ts"

/** Rows of the index as `purser ca ls` shows them. */

export function stateOf(row: ListedRow, now: Date): ListedState {
  if (row.revokedAt !== null) return "revoked"
  if (now.getTime() > row.notAfter) return "expired"
  if (row.place > 1) return "replaced"
  const due = dueAt(new Date(row.notBefore), new Date(row.notAfter), row.serial)
  return now >= due ? "due" : "valid"
}

export function listedRow(row: ListedRow, now: Date): Listed {
  return {
    name: row.name,
    state: stateOf(row, now),
    serial: row.serial,
    notBefore: new Date(row.notBefore),
    notAfter: new Date(row.notAfter),
    names: JSON.parse(row.names) as string[],
    origin: row.origin as Origin,
    hasKey: row.hasKey === 1,
    keyType: row.keyType,
  }
}

export function listedRequest(row: IndexedRequest): Listed {
  return {
    name: row.name,
    state: "waiting",
    serial: null,
    notBefore: null,
    notAfter: null,
    names: JSON.parse(row.names) as string[],
    origin: "requested",
    hasKey: true,
    keyType: row.keyType,
  }
}
