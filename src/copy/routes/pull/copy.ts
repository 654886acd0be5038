import { untilAborted } from "../../../base/abort.ts"
import { PurserError } from "../../../base/errors.ts"
import type { Secret } from "../../../base/secret.ts"
import { refuseDisk } from "../../../files/require-memory.ts"
import type { Owner } from "../../../files/owner.ts"
import { greet, lookAnswer, octal, orderLook, refused } from "../exec/protocol.ts"
import { ExecSession } from "../exec/session.ts"
import { changeFor, whoWrites, type Change } from "../exec/copy.ts"
import { verifyFound, type FileStat } from "../../file-stat.ts"
import { builderAddress, gatewayOf, whyNoAddress } from "./address.ts"
import { sealBody } from "./envelope.ts"
import { isolate } from "./isolate.ts"
import { orderGet, receiverScript } from "./receiver.ts"
import { PullServer, type Offer } from "./server.ts"
import { RouteUnsuitable, type Copied, type FileToCopy, type Route, type RouteTask } from "../../route.ts"
import { ShellReader } from "../exec/shell-reader.ts"

export { receiverScript } from "./receiver.ts"

/**
 * The container downloads each file from us, encrypted and signed with keys that are used once; only these and the
 * orders go through the exec. What is there before and afterwards is looked at as by the route `exec`.
 */

export interface PullOptions {
  /** Of this machine, as the container reaches it: `HOST[:PORT]`. Default: the gateway of its network. */
  readonly serveAddress?: string
  /** Serve over a temporary network that holds only the container. */
  readonly isolate?: boolean
  /** Gets what the receiver says, once it has ended. It comes from the container: escape it for a terminal. */
  readonly onReceiverOutput?: (text: string) => void
}

export function pullRoute(options: PullOptions = {}): Route {
  return {
    name: "pull",
    whyNot: async ({ engine, container }) =>
      container.state.paused
        ? "it is paused, and nothing can be started in it"
        : whyNoAddress(engine, container, options),
    copy: (task) => copy(task, options),
  }
}

interface Planned {
  readonly file: FileToCopy
  readonly owner: Owner
  readonly change: Change
  readonly number: number
}

/** How long a container may take for its first packet. */
const reachMs = 20_000

async function copy(task: RouteTask, options: PullOptions): Promise<Copied> {
  const { owners, user } = await whoWrites(task)
  await using looking = new ExecSession(task, user)
  await using reader = new ShellReader(task)
  const self = await greet(looking)
  const look = async ({ path, content }: FileToCopy, number: number, owner: Owner) => {
    orderLook(looking, number, path, content)
    const looked = await lookAnswer(looking, path)
    // Root without DAC_OVERRIDE may not read what it has given away.
    const isHidden = looked.found?.same === null && owner.uid !== self.uid
    return isHidden ? { ...looked, found: await reader.look(path, content, owner) } : looked
  }
  const plans: Planned[] = []
  for (const [index, file] of task.files.entries()) {
    const owner = owners[index] ?? self
    const looked = await look(file, index + 1, owner)
    plans.push({ file, owner, change: changeFor(looked, { file, owner }, task), number: index + 1 })
  }
  const changing = plans.filter(({ change }) => change !== "none")
  if (changing.length > 0) await fetchAll(task, options, { changing, user })
  for (const { file, owner, number } of changing) {
    const found: FileStat | null = (await look(file, number, owner)).found
    verifyFound(file.path, found, { mode: file.mode, owner })
  }
  looking.leave()
  const pathsOf = (...changes: readonly Change[]): string[] =>
    plans.filter(({ change }) => changes.includes(change)).map(({ file }) => file.path)
  return {
    written: pathsOf("create", "replace"),
    replaced: pathsOf("replace"),
    unchanged: pathsOf("none", "mend"),
    ...(options.isolate === true ? { why: "downloaded by it over a network of its own" } : {}),
  }
}

/** Stages all, then renames all. */
async function fetchAll(
  task: RouteTask,
  options: PullOptions,
  { changing, user }: { changing: readonly Planned[]; user: string | undefined },
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
    if (changing.some(({ change }) => change !== "mend")) await task.beforeChange()
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

async function stage(session: Session, server: PullServer, planned: Planned): Promise<void> {
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
    // What is in /proc there is the other's then: its hosts file, its host name.
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
  planned: readonly Planned[],
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

export interface ToServeOnce {
  readonly content: Secret
  /** Absolute, where it is to lie. */
  readonly path: string
  /** Permission bits. */
  readonly mode: number
  /** Of this machine: `HOST[:PORT]`. Default: the engine's own bridge, where builds are. */
  readonly address?: string
  readonly signal: AbortSignal
}

export interface ServedOnce extends AsyncDisposable {
  readonly url: string
  /** For a shell that has `purser-receiver`, which is {@link receiverScript}. Holds the password. */
  readonly line: string
  /** Resolves once it was downloaded. Throws `ERR_TIMEOUT`, `ERR_UNREACHABLE`, and the signal's reason. */
  readonly done: Promise<void>
}

/** One download for whoever has the line, within 30 s, and bound to no container. Throws `ERR_LISTEN`, `ERR_ADDRESS`. */
export async function serveOnce({ content, path, mode, address, signal }: ToServeOnce): Promise<ServedOnce> {
  const { body, password, publicKey } = await sealBody({ content, containerId: "-", path, mode: octal(mode) })
  const server = await PullServer.open(address ?? (await builderAddress()), signal)
  const { url, done } = server.offer(body)
  const order = orderGet({
    number: 1,
    url,
    password,
    publicKey,
    containerId: "-",
    witness: "-",
    path,
    mode: octal(mode),
    owner: "-",
    requireTmpfs: false,
  })
  const whole = untilAborted(done, signal)
  whole.catch(() => {})
  return {
    url,
    // Nothing in it means anything between single quotes: see forPrintf.
    line: `printf '%s\\n' '${order}' commit | purser-receiver`,
    done: whole,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}
