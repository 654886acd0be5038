import type { Secret } from "../../../base/secret.ts"
import type { Owner } from "../../../files/owner.ts"
import { handshake, readLook, sendLook } from "./protocol.ts"
import { ExecSession } from "./session.ts"
import type { FileStat } from "../../file-stat.ts"
import type { RouteQuery } from "../../route.ts"

/** Reads files by shells in the container that run as the files' owners, so that it sees what the application sees. */
export class ShellReader implements AsyncDisposable {
  readonly #task: RouteQuery
  readonly #sessions = new Map<string, ExecSession>()

  constructor(task: RouteQuery) {
    this.#task = task
  }

  /** Returns a session that runs as this owner. Throws `RouteUnsuitable` if the container has no shell. */
  async as({ uid, gid }: Owner): Promise<ExecSession> {
    const user = `${uid}:${gid}`
    const known = this.#sessions.get(user)
    if (known !== undefined) return known
    const session = new ExecSession(this.#task, user)
    this.#sessions.set(user, session)
    await handshake(session)
    return session
  }

  /** Compares a file with `content`. Returns null for a path without a regular file. */
  async look(path: string, content: Secret, owner: Owner): Promise<FileStat | null> {
    const session = await this.as(owner)
    sendLook(session, 1, path, content)
    return (await readLook(session, path)).found
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const session of this.#sessions.values()) session.leave()
    await Promise.all([...this.#sessions.values()].map((session) => session[Symbol.asyncDispose]()))
  }
}
