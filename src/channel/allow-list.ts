import { familyOf, isHostName } from "../base/net-address.ts"
import { lookup } from "node:dns/promises"
import { BlockList, isIP } from "node:net"
import { PurserError } from "../base/errors.ts"
import { quote } from "../base/names.ts"

export interface AllowListOptions {
  /** Returns all addresses of a host name. Default: the system's resolver. */
  resolve?: (name: string) => Promise<readonly string[]>
  /** A monotonic clock in milliseconds. */
  now?: () => number
}

interface Resolved {
  readonly addresses: Promise<BlockList>
  readonly untilMs: number
}

/** How long the addresses of a host name are cached, in milliseconds. */
const cacheMs = 30_000
/** How long a failed lookup is cached: short, so that a brief resolver failure does not lock the agent out. */
const failureMs = 1000

/** Addresses, CIDRs and host names that may connect. This is only a first filter, because the pin decides. */
export class AllowList {
  readonly #fixed = new BlockList()
  readonly #names: string[] = []
  readonly #resolved = new Map<string, Resolved>()
  readonly #resolve: (name: string) => Promise<readonly string[]>
  readonly #now: () => number

  private constructor({ resolve = systemLookup, now = () => performance.now() }: AllowListOptions) {
    this.#resolve = resolve
    this.#now = now
  }

  /** Throws `ERR_ADDRESS`. An empty list allows no address. */
  static parse(entries: readonly string[], options: AllowListOptions = {}): AllowList {
    const list = new AllowList(options)
    for (const entry of entries) list.#add(entry)
    return list
  }

  /** Resolves with whether the address may connect. Never rejects: a name that cannot be resolved allows no address. */
  async allows(address: string): Promise<boolean> {
    const normal = normalAddress(address)
    if (normal === undefined) return false
    if (has(this.#fixed, normal)) return true
    const lists = await Promise.all(this.#names.map((name) => this.#addressesOf(name)))
    return lists.some((list) => has(list, normal))
  }

  #add(entry: string): void {
    const [base = "", bits, ...rest] = entry.split("/")
    const family = familyOf(base)
    const most = family === "ipv4" ? 32 : 128
    if (family === undefined && bits === undefined && isHostName(base)) this.#names.push(base)
    else if (family !== undefined && bits === undefined) addAddress(this.#fixed, base)
    else if (
      family !== undefined &&
      rest.length === 0 &&
      /^\d{1,3}$/.test(bits ?? "") &&
      Number(bits) <= most
    ) {
      this.#fixed.addSubnet(base, Number(bits), family)
    } else {
      throw new PurserError("ERR_ADDRESS", `${quote(entry)} is neither an address, a CIDR nor a host name`, {
        hint: "write 203.0.113.7, 10.0.0.0/8, 2001:db8::/32 or home.example.org",
      })
    }
  }

  #addressesOf(name: string): Promise<BlockList> {
    const known = this.#resolved.get(name)
    if (known !== undefined && this.#now() < known.untilMs) return known.addresses
    const remember = (addresses: Promise<BlockList>, forMs: number): void => {
      this.#resolved.set(name, { addresses, untilMs: this.#now() + forMs })
    }
    // The pending lookup is cached too, so that a flood of connections causes only one.
    const addresses = Promise.resolve(name)
      .then(this.#resolve)
      .then(
        (found) => {
          const list = new BlockList()
          for (const address of found) addAddress(list, address)
          return list
        },
        () => {
          const none = new BlockList()
          remember(Promise.resolve(none), failureMs)
          return none
        },
      )
    remember(addresses, cacheMs)
    return addresses
  }
}

async function systemLookup(name: string): Promise<string[]> {
  return (await lookup(name, { all: true })).map(({ address }) => address)
}

function addAddress(list: BlockList, address: string): void {
  const normal = normalAddress(address)
  if (normal !== undefined) list.addAddress(normal, familyOf(normal))
}

function has(list: BlockList, address: string): boolean {
  return list.check(address, familyOf(address))
}

/**
 * Removes an address's zone. A BlockList itself treats an IPv4-mapped address (`::ffff:192.0.2.1`, from a dual-stack
 * socket) as IPv4.
 */
function normalAddress(address: string): string | undefined {
  const bare = address.replace(/%.*$/, "")
  return isIP(bare) === 0 ? undefined : bare
}
