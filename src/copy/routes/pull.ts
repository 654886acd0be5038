import type { Route } from "../route.ts"
import type { PullOptions } from "./pull/options.ts"

/**
 * The container downloads each file from us, encrypted and signed with keys that are used once; only these and the
 * orders go through the exec. What is there before and afterwards is looked at as by the route `exec`.
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
