import { connectEngine, type Engine } from "../docker/engine.ts"
import type { OpenContext } from "./open-context.ts"

/** Connects to the container engine of this host. `await using` it. Throws the errors of `connectEngine`. */
export async function openEngine(
  { env, home, engineAddress }: Pick<OpenContext, "env" | "home" | "engineAddress">,
  signal: AbortSignal,
): Promise<Engine> {
  return await connectEngine({ host: engineAddress, env, home, signal })
}
