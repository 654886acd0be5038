import { damagedIndex } from "./index-database.ts"
import type { IndexedRequest, ListedRow } from "./index-rows.ts"
import type { Listed, ListedState, Origin } from "./record.ts"
import { dueAt } from "../renewal.ts"

/** Turns rows of the index into the entries of `purser ca ls`. */

export function stateOf(row: ListedRow, now: Date): ListedState {
  if (row.revokedAt !== null) return "revoked"
  if (now.getTime() > row.notAfter) return "expired"
  if (row.place > 1) return "replaced"
  const due = dueAt(timeOf(row.notBefore), timeOf(row.notAfter), row.serial)
  return now >= due ? "due" : "valid"
}

export function listedRow(row: ListedRow, now: Date): Listed {
  return {
    name: row.name,
    state: stateOf(row, now),
    serial: row.serial,
    notBefore: timeOf(row.notBefore),
    notAfter: timeOf(row.notAfter),
    names: namesOf(row),
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
    names: namesOf(row),
    origin: "requested",
    hasKey: true,
    keyType: row.keyType,
  }
}

function timeOf(ms: number): Date {
  const time = new Date(ms)
  if (Number.isNaN(time.getTime())) throw damagedIndex("of the CA", "a time is wrong")
  return time
}

function namesOf({ names }: { names: string }): string[] {
  try {
    return JSON.parse(names) as string[]
  } catch {
    throw damagedIndex("of the CA", "the names of a certificate are wrong")
  }
}
