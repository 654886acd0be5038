import { isDuration, parseDuration } from "../../base/duration.ts"
import { PurserError } from "../../base/errors.ts"
import { quote } from "../../base/names.ts"
import { resolveLimits, type ChannelLimits } from "../../channel/limits.ts"

/** The node's limits by the names that `limits:` of purser.yaml has for the agent's. */
const names: Readonly<Record<string, keyof ChannelLimits>> = {
  secret_bytes: "secretBytes",
  handshake: "handshakeMs",
  pending_handshakes: "pendingHandshakes",
  sessions: "sessions",
  frame: "frameMs",
  session: "sessionMs",
  requests: "requests",
  frame_bytes: "frameBytes",
  chunk_bytes: "chunkBytes",
  depth: "depth",
}

/** Reads limits of the form `NAME=VALUE`, such as `secret_bytes=4194304` or `session=10m`. Throws `ERR_USAGE` and `ERR_CONFIG`. */
export function parseLimits(settings: readonly string[]): ChannelLimits {
  const changes: Partial<Record<keyof ChannelLimits, number>> = {}
  for (const setting of settings) {
    const [name = "", value = "", ...rest] = setting.split("=")
    const limit = Object.hasOwn(names, name) ? names[name] : undefined
    if (limit === undefined || rest.length > 0) throw bad(setting, "there is no such limit")
    const isTime = limit.endsWith("Ms")
    if (isTime ? !isDuration(value) : !/^\d{1,12}$/.test(value))
      throw bad(setting, isTime ? "it is a duration, such as 30s" : "it is a whole number")
    changes[limit] = isTime ? parseDuration(value) : Number(value)
  }
  return resolveLimits(changes)
}

function bad(setting: string, why: string): PurserError {
  return new PurserError("ERR_USAGE", `cannot read the limit ${quote(setting)}: ${why}`, {
    hint: `write NAME=VALUE with one of ${Object.keys(names).join(", ")}`,
  })
}
