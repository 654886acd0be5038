import { grantCovers } from "../base/names.ts"
import type { AppConfig } from "../apps/config.ts"
import { formatAddress, type Address } from "../apps/discovery/address.ts"
import type { Schedule } from "./targets/schedule.ts"

/** A node of an app, a container, or the directory. */
export interface Target {
  readonly app: string
  /** Of a node. */
  readonly address?: Address
  /** Full id of a container. Neither: the app's directory. */
  readonly container?: string
}

/** Or takes it out, where the app has none. */
export function addDirectory(schedule: Schedule<Target>, app: AppConfig): void {
  const target = { app: app.name }
  if (app.directory === undefined) schedule.remove(keyOf(target))
  else schedule.add(keyOf(target), target, { proven: true })
}

export function addNodes(
  schedule: Schedule<Target>,
  app: AppConfig,
  addresses: readonly Address[],
  proven: ReadonlySet<string>,
): void {
  for (const address of addresses) {
    const target = { app: app.name, address }
    schedule.add(keyOf(target), target, { proven: proven.has(formatAddress(address)) })
  }
}

export function keyOf({ app, address, container }: Target): string {
  if (container !== undefined) return `${app} container ${container}`
  return `${app} ${address === undefined ? "directory" : formatAddress(address)}`
}

/** Whether the app is granted one of these secrets. */
export function concerns(app: AppConfig | undefined, names: readonly string[] | "all"): boolean {
  return names === "all" || names.some((name) => app?.secrets.some((grant) => grantCovers(grant, name)))
}
