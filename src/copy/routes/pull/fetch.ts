import { PurserError } from "../../../base/errors.ts"
import { refuseDisk } from "../../../files/require-memory.ts"
import { writesContent } from "../../change.ts"
import { RouteUnsuitable, type RouteTask } from "../../route.ts"
import type { PlannedFile } from "../exec/plan.ts"
import { octal, refused } from "../exec/protocol.ts"
import { ExecSession } from "../exec/session.ts"
import { gatewayOf } from "./address.ts"
import { sealBody } from "./envelope.ts"
import { isolate } from "./isolate.ts"
import type { PullOptions } from "./options.ts"
import { orderGet, receiverScript } from "./receiver.ts"
import { PullServer, type Offer } from "./server.ts"

/** How long a container may take for its first packet. */
const reachMs = 20_000

/** Stages all, then renames all. */
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
  const said: string[] = []
  const session = { task, receiver, said }
  try {
    for (const one of changing) await stage(session, server, one)
    if (writesContent(changing)) await task.beforeChange()
    receiver.send("commit")
    await answerOf(session, "changed", changing)
    if (options.onReceiverOutput !== undefined) said.push(await receiver.complaint())
  } finally {
    receiver.leave()
    if (said.some((text) => text !== "")) options.onReceiverOutput?.(said.join("\n"))
  }
}

interface Session {
  readonly task: RouteTask
  readonly receiver: ExecSession
  /** Its lines, for people. */
  readonly said: string[]
}

async function stage(session: Session, server: PullServer, planned: PlannedFile): Promise<void> {
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
    // Its /proc then shows the other container's id, by the hosts file and the host name.
    witness: /^container:([0-9a-f]{64})$/.exec(hostConfigNetworkMode)?.[1] ?? id,
    path: file.path,
    mode,
    owner: `${owner.uid}:${owner.gid}`,
    requireTmpfs: task.requireTmpfs,
  })
  receiver.send(order)
  const { promise: tooFar, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => offer.wasFetched() || reject(unreachable(offer)), reachMs)
  try {
    await Promise.race([answerOf(session, "staged", [planned], offer), tooFar])
  } finally {
    clearTimeout(timer)
    body.fill(0)
  }
}

async function answerOf(
  { task, receiver, said }: Session,
  word: string,
  planned: readonly PlannedFile[],
  offer?: Offer,
): Promise<void> {
  const words = await receiver.answer()
  said.push(words.join(" "))
  const [first, reason = "", number] = words
  if (first === word) return
  if (first === "missing") throw new RouteUnsuitable(`there is no ${words.slice(1).join(" ")} in it`)
  if (first !== "no") throw await receiver.whyOver()
  const path = planned.find((one) => one.number === Number(number))?.file.path ?? planned[0]?.file.path ?? ""
  switch (reason) {
    case "disk":
      refuseDisk(path, task)
      break
    case "container":
      throw new PurserError("ERR_UNTRUSTED", "what answers does not run in the container that was meant")
    case "fetch": {
      const complaint = await receiver.complaint()
      said.push(complaint)
      if (offer?.wasFetched() === false) throw unreachable(offer)
      throw new PurserError("ERR_UNREACHABLE", `the container did not get all of ${path}`, {
        hint: "the answer went out, but it broke off or found no room there",
      })
    }
    case "verify":
    case "decrypt":
      throw new PurserError(
        "ERR_DIGEST",
        `what the container downloaded for ${path} is not what was signed`,
        {
          hint: "something between us and the container changes what it downloads: --isolate keeps others out",
        },
      )
  }
  throw await refused(receiver, reason, path)
}

function unreachable({ url }: Offer): PurserError {
  return new PurserError("ERR_UNREACHABLE", `the container cannot fetch from ${new URL(url).host}`, {
    hint: "a firewall of this machine may be in the way: try --isolate, or --serve-address",
  })
}
