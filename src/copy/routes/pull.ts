import type { Route } from "../route.ts"
import type { PullOptions } from "./pull/options.ts"

/**
 * Lets the container download each file from this process, encrypted and signed with keys that are used once. Only the
 * keys and the orders go through the exec. The files are inspected before and afterwards as in the route `exec`.
 */
export function pullRoute(options: PullOptions = {}): Route<"pull"> {
  return {
    name: "pull",
    isAutomatic: false,
    way: options.isolate === true ? "downloaded by it over a network of its own" : "downloaded by it",
    startsProcess: true,
    async whyNot({ engine, container }) {
      const { whyNoAddress } = await import("./pull/address.ts")
      return whyNoAddress(engine, container, options)
    },
    copy: async (task) => await (await import("./pull/copy.ts")).copyByDownload(task, options),
  }
}
