import type { Readable } from "node:stream"
import type { Engine } from "./engine.ts"

export interface ExecOptions {
  readonly command: readonly string[]
  /** `USER[:GROUP]`; default: the container's own. */
  readonly user?: string
  /** Default: none, the process reads an end at once. */
  readonly stdin?: Uint8Array | Readable
  /** For stdout and stderr together; default 1 MiB. More is `ERR_LIMIT`. */
  readonly maxOutputBytes?: number
  readonly timeoutMs: number
}

export interface ExecResult {
  /** 126 and 127 where the program could not be started; then stdout (not stderr) holds the engine's reason. */
  readonly exitCode: number
  readonly stdout: Buffer
  readonly stderr: Buffer
}

/**
 * Runs a program in a running container, with the streams attached. The command line can be seen by everybody who
 * may ask the engine, and stays in its events: what is secret goes through stdin. The time limit ends our waiting,
 * not the program. Throws `ERR_TIMEOUT`, `ERR_LIMIT`, `ERR_CONTAINER_PAUSED`, `ERR_NOT_RUNNING`,
 * `ERR_NO_SUCH_CONTAINER`, `ERR_DOCKER`.
 */
export async function execIn(
  engine: Engine,
  id: string,
  options: ExecOptions,
  signal: AbortSignal,
): Promise<ExecResult> {
  throw new Error("not yet")
}
