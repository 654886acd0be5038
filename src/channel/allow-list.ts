import { familyOf, isHostName } from "../base/net-address.ts"
import { lookup } from "node:dns/promises"
import { BlockList, isIP } from "node:net"
import { PurserError } from "../base/errors.ts"
import { quote } from "../base/names.ts"

export interface AllowListOptions {
  /** All addresses of a host name. Default: the system's resolver. */
  resolve?: (name: string) => Promise<readonly string[]>
  /** In milliseconds, only moving forward. */
  now?: () => number
}

interface Resolved {
  readonly addresses: Promise<BlockList>
  readonly untilMs: number
}

/** How long the addresses of a host name count, in milliseconds. */
const cacheMs = 30_000
/** A name that could not be resolved is asked for again after this, so that a hiccup does not lock the agent out. */
const failureMs = 1000

/** Who may connect at all: addresses, CIDRs and host names. A first filter; the pin decides. */
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

  /** Throws `ERR_ADDRESS`. An empty list allows nobody. */
  static parse(entries: readonly string[], options: AllowListOptions = {}): AllowList {
    const list = new AllowList(options)
    for (const entry of entries) list.#add(entry)
    return list
  }

  /** Never rejects: a name that cannot be resolved allows nobody. */
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
    // Remembered before it is known, so that a flood of connections asks once.
    const addresses = Promise.resolve(name)
      .then(this.#resolve)
      .then(
        (found) => {
          const list = new BlockList()
          for (const address of found) addAddress(list, address)
          return list
        },
        () => {
          const nobody = new BlockList()
          remember(Promise.resolve(nobody), failureMs)
          return nobody
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

/** Without its zone. An IPv4 address in IPv6's clothes (`::ffff:192.0.2.1`, as a dual-stack socket reports it) is IPv4 to a BlockList. */
function normalAddress(address: string): string | undefined {
  const bare = address.replace(/%.*$/, "")
  return isIP(bare) === 0 ? undefined : bare
}
