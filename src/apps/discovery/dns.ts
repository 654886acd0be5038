import { untilAborted } from "../../base/abort.ts"
import { Resolver, lookup } from "node:dns/promises"
import { PurserError, reasonOf, systemErrorCode } from "../../base/errors.ts"
import type { Address } from "./address.ts"

export interface DnsOptions {
  /** DNS servers (`host:port`) to use instead of the system's. */
  servers?: readonly string[] | undefined
  signal: AbortSignal
}

/** Looks up every A and AAAA address of a name, such as `tasks.web` on a Swarm. Throws `ERR_DISCOVERY`. */
export async function lookUpAddresses(
  name: string,
  port: number,
  { servers, signal }: DnsOptions,
): Promise<Address[]> {
  // The system's resolver also knows /etc/hosts and, in a container, the engine's names.
  if (servers === undefined) {
    const found = await attempt(name, () => untilAborted(lookup(name, { all: true }), signal))
    return found.map(({ address }) => ({ host: address, port }))
  }
  using cancellable = cancellableResolver(servers, signal)
  const { resolver } = cancellable
  const [four, six] = await Promise.all([
    attempt(name, () => resolver.resolve4(name)),
    attempt(name, () => resolver.resolve6(name)),
  ])
  return [...four, ...six].map((host) => ({ host, port }))
}

/**
 * Looks up targets and ports of an SRV record (RFC 2782), sorted by priority, then by weight. Throws `ERR_DISCOVERY`.
 */
export async function lookUpService(name: string, { servers = [], signal }: DnsOptions): Promise<Address[]> {
  using cancellable = cancellableResolver(servers, signal)
  const records = await attempt(name, () => cancellable.resolver.resolveSrv(name))
  // A target of "." means that the service is not offered.
  const offered = records.filter((record) => record.name !== "" && record.name !== "." && record.port > 0)
  return offered
    .toSorted((a, b) => a.priority - b.priority || b.weight - a.weight)
    .map((record) => ({ host: record.name, port: record.port }))
}

/**
 * Returns a resolver that the signal cancels, because lookups repeat as long as the agent runs and must not leave
 * queries behind.
 */
function cancellableResolver(
  servers: readonly string[],
  signal: AbortSignal,
): { resolver: Resolver } & Disposable {
  signal.throwIfAborted()
  const resolver = new Resolver({ timeout: 2000, tries: 3 })
  if (servers.length > 0) resolver.setServers([...servers])
  const cancel = (): void => resolver.cancel()
  signal.addEventListener("abort", cancel, { once: true })
  return { resolver, [Symbol.dispose]: () => signal.removeEventListener("abort", cancel) }
}

/** Runs a lookup. A name without such a record has no addresses; any other error is a failure. */
async function attempt<T>(name: string, resolve: () => Promise<T[]>): Promise<T[]> {
  try {
    return await resolve()
  } catch (error) {
    if (systemErrorCode(error) === "ENODATA") return []
    throw new PurserError(
      "ERR_DISCOVERY",
      `looking up ${name} failed: ${systemErrorCode(error) ?? reasonOf(error)}`,
      { cause: error },
    )
  }
}
