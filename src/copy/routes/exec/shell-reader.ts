import type { Secret } from "../../../base/secret.ts"
import type { Owner } from "../../../files/owner.ts"
import { handshake, lookAnswer, orderLook } from "./protocol.ts"
import { ExecSession } from "./session.ts"
import type { FileStat } from "../../file-stat.ts"
import type { RouteQuery } from "../../route.ts"

/** Looks at files by shells in the container that run as those whose files they are: what the application sees. */
export class ShellReader implements AsyncDisposable {
  readonly #task: RouteQuery
  readonly #sessions = new Map<string, ExecSession>()

  constructor(task: RouteQuery) {
    this.#task = task
  }

  /** Throws `RouteUnsuitable` where there is no shell. */
  async as({ uid, gid }: Owner): Promise<ExecSession> {
    const user = `${uid}:${gid}`
    const known = this.#sessions.get(user)
    if (known !== undefined) return known
    const session = new ExecSession(this.#task, user)
    this.#sessions.set(user, session)
    await handshake(session)
    return session
  }

  /** Null for what is no file. */
  async look(path: string, content: Secret, owner: Owner): Promise<FileStat | null> {
    const session = await this.as(owner)
    orderLook(session, 1, path, content)
    return (await lookAnswer(session, path)).found
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const session of this.#sessions.values()) session.leave()
    await Promise.all([...this.#sessions.values()].map((session) => session[Symbol.asyncDispose]()))
  }
}
