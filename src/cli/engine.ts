import { homedir } from "node:os"
import { connectEngine, type Engine } from "../docker/engine.ts"
import type { Context } from "./command.ts"

/** The engine that the docker command would use, for a command of ours. `await using` it. */
export async function openEngine(
  context: Context,
  flags: { host?: string | undefined } = {},
): Promise<Engine> {
  return await connectEngine({
    host: flags.host,
    env: context.env,
    home: homedir(),
    signal: context.signal,
  })
}
