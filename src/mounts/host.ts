import { PurserError } from "../base/errors.ts"
import type { Engine } from "../docker/engine.ts"
import { engineInfo } from "../docker/info.ts"

/** Throws `ERR_ROUTE` for an engine on another host, or one that maps user ids. */
export async function checkSameHost(engine: Engine, signal: AbortSignal): Promise<void> {
  const { operatingSystem, securityOptions } = await engineInfo(engine, signal)
  const why = !engine.isLocal
    ? `it runs on another machine: ${engine.address}`
    : /docker desktop/i.test(operatingSystem)
      ? "it runs in Docker Desktop's virtual machine"
      : securityOptions.some((option) => option.includes("rootless"))
        ? "it runs without root, so its user ids differ"
        : securityOptions.some((option) => option.includes("userns"))
          ? "it maps its containers' user ids (userns-remap)"
          : undefined
  if (why === undefined) return
  throw new PurserError("ERR_ROUTE", `the engine cannot mount a directory of this process: ${why}`, {
    hint: "give the container a tmpfs and let purser cp or purser agent fill it, or put a purser node beside it",
  })
}
