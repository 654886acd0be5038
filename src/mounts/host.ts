import { PurserError } from "../base/errors.ts"
import type { Engine } from "../docker/engine.ts"
import { engineInfo } from "../docker/info.ts"

/** Throws `ERR_ROUTE` for an engine on whose host our directory does not lie, or lies under other users. */
export async function checkSameHost(engine: Engine, signal: AbortSignal): Promise<void> {
  const { operatingSystem, securityOptions } = await engineInfo(engine, signal)
  const why = !engine.isLocal
    ? `it is another machine's: ${engine.address}`
    : /docker desktop/i.test(operatingSystem)
      ? "it runs in Docker Desktop's virtual machine"
      : securityOptions.some((option) => option.includes("rootless"))
        ? "it runs without root, and sees other users than we do"
        : securityOptions.some((option) => option.includes("userns"))
          ? "it gives its containers other users than we know (userns-remap)"
          : undefined
  if (why === undefined) return
  throw new PurserError("ERR_ROUTE", `a directory of ours cannot be mounted by this engine: ${why}`, {
    hint: "give the container a tmpfs and let purser cp or purser agent fill it, or put a purser node beside it",
  })
}
