import { PurserError } from "../../../base/errors.ts"
import { refuseDisk } from "../../../files/require-memory.ts"
import { writesContent } from "../../change.ts"
import { RouteUnsuitable, type RouteTask } from "../../route.ts"
import type { PlannedFile } from "../exec/plan.ts"
import { octal, refusalError } from "../exec/protocol.ts"
import { ExecSession } from "../exec/session.ts"
import { gatewayOf } from "./address.ts"
import { sealBody } from "./envelope.ts"
import { isolate } from "./isolate.ts"
import type { PullOptions } from "./options.ts"
import { orderGet, receiverScript } from "./receiver.ts"
import { PullServer, type Offer } from "./server.ts"

/** The time limit for a container's request to arrive. */
const reachMs = 20_000

/** Lets the container download and stage all files, then rename them. */
export async function fetchAll(
  task: RouteTask,
  options: PullOptions,
  { changing, user }: { changing: readonly PlannedFile[]; user: string | undefined },
): Promise<void> {
  const { engine, container, signal } = task
  await using isolated = options.isolate === true ? await isolate(engine, container.id, signal) : undefined
  const address = options.serveAddress ?? isolated?.gateway ?? (await gatewayOf(engine, container, signal))
  await using server = await PullServer.open(address, signal)
  await using receiver = new ExecSession(task, user, receiverScript)
  const output: string[] = []
  const session = { task, receiver, output }
  try {
    for (const one of changing) await stage(session, server, one)
    if (writesContent(changing)) await task.beforeChange()
    receiver.send("commit")
    await expectAnswer(session, "changed", changing)
    if (options.onReceiverOutput !== undefined) output.push(await receiver.readStderr())
  } finally {
    receiver.leave()
    if (output.some((text) => text !== "")) options.onReceiverOutput?.(output.join("\n"))
  }
}

interface FetchSession {
  readonly task: RouteTask
  readonly receiver: ExecSession
  /** The receiver's lines, for `onReceiverOutput`. */
  readonly output: string[]
}

async function stage(session: FetchSession, server: PullServer, planned: PlannedFile): Promise<void> {
  const { task, receiver } = session
  const { file, owner, number } = planned
  const { id, hostConfigNetworkMode } = task.container
  const mode = octal(file.mode)
  const { body, password, publicKey } = await sealBody({ ...file, containerId: id, mode })
  const offer = server.offer(body)
  const order = orderGet({
    number,
    url: offer.url,
    password,
    publicKey,
    containerId: id,
    // A container that shares another's network shows that other's id in its /proc, by its hosts file and host name.
    witness: /^container:([0-9a-f]{64})$/.exec(hostConfigNetworkMode)?.[1] ?? id,
    path: file.path,
    mode,
    owner: `${owner.uid}:${owner.gid}`,
    requireTmpfs: task.requireTmpfs,
  })
  receiver.send(order)
  const { promise: unreached, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => offer.wasFetched() || reject(unreachable(offer)), reachMs)
  try {
    await Promise.race([expectAnswer(session, "staged", [planned], offer), unreached])
  } finally {
    clearTimeout(timer)
    body.fill(0)
  }
}

async function expectAnswer(
  { task, receiver, output }: FetchSession,
  word: string,
  planned: readonly PlannedFile[],
  offer?: Offer,
): Promise<void> {
  const words = await receiver.answer()
  output.push(words.join(" "))
  const [first, reason = "", number] = words
  if (first === word) return
  if (first === "missing") throw new RouteUnsuitable(`there is no ${words.slice(1).join(" ")} in it`)
  if (first !== "no") throw await receiver.endReason()
  const path = planned.find((one) => one.number === Number(number))?.file.path ?? planned[0]?.file.path ?? ""
  switch (reason) {
    case "disk":
      refuseDisk(path, task)
      break
    case "container":
      throw new PurserError("ERR_UNTRUSTED", "the receiver does not run in the expected container")
    case "fetch": {
      const complaint = await receiver.readStderr()
      output.push(complaint)
      if (offer?.wasFetched() === false) throw unreachable(offer)
      throw new PurserError("ERR_UNREACHABLE", `the container did not download all of ${path}`, {
        hint: "the download was interrupted, or the container had no space for it",
      })
    }
    case "verify":
    case "decrypt":
      throw new PurserError(
        "ERR_DIGEST",
        `what the container downloaded for ${path} is not what was signed`,
        {
          hint: "something on the network changes what the container downloads: try --isolate",
        },
      )
  }
  throw await refusalError(receiver, reason, path)
}

function unreachable({ url }: Offer): PurserError {
  return new PurserError("ERR_UNREACHABLE", `the container cannot fetch from ${new URL(url).host}`, {
    hint: "a firewall of this machine may block it: try --isolate, or --serve-address",
  })
}
