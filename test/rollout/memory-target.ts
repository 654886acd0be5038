import { once } from "node:events"
import { createServer } from "node:tls"
import type { TestContext } from "node:test"
import type { RolloutFile, RolloutTarget, WrittenFiles } from "../../src/rollout/target.ts"

/** A target in memory whose service is a TLS server of this process, so that a fault can be put at each step. */

export type Step =
  | "hosts"
  | "stage"
  | "read the old files"
  | "rename"
  | "reload"
  | "connect"
  | "look whether it is away"
  | "clear the record"
  | "put the old files back"
  | "remove what was added"
  | "reload again"
  | "clear the record again"

/** Called before each step. A step whose fault throws does not happen. */
export type Fault = (step: Step) => void

export interface MemoryTarget extends RolloutTarget<WrittenFiles> {
  readonly port: number
  readonly files: Map<string, RolloutFile>
  readonly reloads: () => number
  /** Whether a reload is recorded as pending. */
  readonly isPending: () => boolean
  /** Makes the service unable to answer. */
  stop(): void
  isAwayNow: boolean
  fault: Fault
}

export async function memoryTarget(t: TestContext, old: readonly RolloutFile[] = []): Promise<MemoryTarget> {
  const files = new Map(old.map((file) => [file.path, file]))
  const server = createServer((socket) => socket.end())
    .on("tlsClientError", () => {})
    .on("connection", () => target.fault("connect"))
  const load = (): void => {
    const [cert, key] = ["tls.crt", "tls.key"].map((path) => files.get(path)?.content.reveal())
    if (cert === undefined || key === undefined) return
    try {
      server.setSecureContext({ cert, key })
    } catch {
      // Like web servers, it keeps serving the previous certificate when the new one cannot be used.
    }
  }
  load()
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  t.after(() => server.close())
  const address = server.address()
  if (typeof address !== "object" || address === null) throw new Error("the server has no port")

  let reloads = 0
  let writes = 0
  let clears = 0
  let isPending = false
  const isSame = (file: RolloutFile): boolean => files.get(file.path)?.content.digest === file.content.digest
  const target: MemoryTarget = {
    port: address.port,
    files,
    reloads: () => reloads,
    isPending: () => isPending,
    stop: () => void server.close(),
    isAwayNow: false,
    fault: () => {},
    oldFiles: "the old files",
    nothingBefore: "there are no old files",
    async hosts() {
      target.fault("hosts")
      return ["127.0.0.1"]
    },
    async write(set, beforeChange) {
      target.fault(writes++ === 0 ? "stage" : "put the old files back")
      const changing = set.filter((file) => !isSame(file))
      const unchanged = set.filter(isSame).map(({ path }) => path)
      if (changing.length > 0) {
        await beforeChange(changing.map(({ path }) => path))
        isPending = true
        if (writes === 1) target.fault("rename")
      }
      const written = changing.map(({ path }) => path)
      const replaced = written.filter((path) => files.has(path))
      for (const file of set) files.set(file.path, file)
      return { written, replaced, unchanged }
    },
    async readOld() {
      target.fault("read the old files")
      return new Map(files)
    },
    async remove(paths) {
      target.fault("remove what was added")
      for (const path of paths) files.delete(path)
    },
    async reload() {
      reloads++
      target.fault(reloads === 1 ? "reload" : "reload again")
      load()
      return true
    },
    async isAway() {
      target.fault("look whether it is away")
      return target.isAwayNow
    },
    async clearPending() {
      target.fault(clears++ === 0 && reloads === 1 ? "clear the record" : "clear the record again")
      isPending = false
    },
  }
  return target
}
