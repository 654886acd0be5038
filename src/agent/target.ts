import { grantCovers } from "../base/names.ts"
import type { AppConfig } from "./config.ts"
import { formatAddress, type Address } from "./discovery/address.ts"
import type { Schedule } from "./schedule.ts"

/** A node of an app, or the directory of one. */
export interface Target {
  readonly app: string
  /** Undefined: the app's directory. */
  readonly address?: Address
}

/** Or takes it out, where the app has none. */
export function addDirectory(schedule: Schedule<Target>, app: AppConfig): void {
  const target = { app: app.name }
  if (app.directory === undefined) schedule.remove(keyOf(target))
  else schedule.add(keyOf(target), target, { proven: true })
}

export function keyOf({ app, address }: Target): string {
  return `${app} ${address === undefined ? "directory" : formatAddress(address)}`
}

/** Whether the app is granted one of these secrets. */
export function concerns(app: AppConfig | undefined, names: readonly string[] | "all"): boolean {
  return names === "all" || names.some((name) => app?.secrets.some((grant) => grantCovers(grant, name)))
}
