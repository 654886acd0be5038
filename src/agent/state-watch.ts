import { setTimeout as delay } from "node:timers/promises"
import { reasonOf } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import type { State } from "../state/state.ts"

/** How soon something that another process wrote into the state (an approval, say) is noticed. */
const checkMs = 500

/** Calls back whenever another process has changed the state. Resolves at the signal. */
export async function watchState(
  state: State,
  { onChange, log }: { onChange: () => void; log: Log },
  signal: AbortSignal,
): Promise<void> {
  let version = state.revision()
  for (;;) {
    await delay(checkMs, undefined, { signal }).catch(() => {})
    if (signal.aborted) return
    try {
      const now = state.revision()
      if (now !== version) onChange()
      version = now
    } catch (error) {
      log.error(`cannot look into the state: ${reasonOf(error)}`)
    }
  }
}
