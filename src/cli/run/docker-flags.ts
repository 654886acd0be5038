import { PurserError } from "../../base/errors.ts"

/**
 * The part of `docker run`'s command line that `purser run` needs: the end of the flags, the image, the user, and whether
 * the container would outlive this command. All other flags are passed to docker unchecked.
 */
export interface DockerRun {
  /** The flags as given, without image and command. */
  readonly flags: readonly string[]
  readonly image: string
  readonly command: readonly string[]
  /** The value of `--user`. Default: the image's user. */
  readonly user: string | undefined
  readonly platform: string | undefined
}

/** The flags without a value (docker run --help). Every other flag takes one. */
const switches: ReadonlySet<string> = new Set([
  "detach",
  "disable-content-trust",
  "help",
  "init",
  "interactive",
  "no-healthcheck",
  "oom-kill-disable",
  "privileged",
  "publish-all",
  "quiet",
  "read-only",
  "rm",
  "sig-proxy",
  "tty",
  "use-api-socket",
])
const shortNames: Readonly<Record<string, string>> = {
  d: "detach",
  i: "interactive",
  t: "tty",
  P: "publish-all",
  q: "quiet",
  u: "user",
}

/** Reads the words after `--`. Throws `ERR_USAGE` without an image, and for `--detach` and `--restart`. */
export function parseDockerRun(words: readonly string[]): DockerRun {
  const seen = new Map<string, string>()
  let index = 0
  while (index < words.length) {
    const word = words[index] ?? ""
    if (word === "--") {
      index++
      break
    }
    if (!word.startsWith("-") || word === "-") break
    index++
    for (const [name, value] of word.startsWith("--") ? longFlag(word) : shortFlags(word)) {
      if (switches.has(name)) seen.set(name, value ?? "true")
      else seen.set(name, value ?? words[index++] ?? "")
    }
  }
  refuse(seen)
  const image = words[index]
  if (image === undefined || image === "") {
    throw new PurserError("ERR_USAGE", "no image is named", {
      hint: "purser run -s NAME -- [docker run's flags] IMAGE [COMMAND]",
    })
  }
  return {
    flags: words.slice(0, index).filter((word) => word !== "--"),
    image,
    command: words.slice(index + 1),
    user: seen.get("user"),
    platform: seen.get("platform"),
  }
}

function longFlag(word: string): [string, string | undefined][] {
  const equals = word.indexOf("=")
  return equals < 0 ? [[word.slice(2), undefined]] : [[word.slice(2, equals), word.slice(equals + 1)]]
}

/** `-itu1000` is -i, -t and -u with the value 1000. */
function shortFlags(word: string): [string, string | undefined][] {
  const flags: [string, string | undefined][] = []
  for (let at = 1; at < word.length; at++) {
    const name = shortNames[word[at] ?? ""] ?? word[at] ?? ""
    const rest = word.slice(at + 1)
    if (switches.has(name)) {
      const value = /^=(.*)$/s.exec(rest)?.[1]
      flags.push([name, value])
      if (value !== undefined) break
    } else {
      flags.push([name, rest === "" ? undefined : rest.replace(/^=/, "")])
      break
    }
  }
  return flags
}

/** Reads a flag's value as docker does (Go's strconv.ParseBool). */
function isOn(value: string | undefined): boolean {
  return value !== undefined && !/^(?:0|f|false)$/i.test(value)
}

function refuse(seen: ReadonlyMap<string, string>): void {
  const how =
    "label the container and let purser agent deliver to it, or mount a directory that the agent writes to"
  if (isOn(seen.get("detach"))) {
    throw new PurserError(
      "ERR_USAGE",
      "--detach cannot be used here: purser run would end before the container and not remove its secrets",
      {
        hint: `leave --detach out; ${how}`,
      },
    )
  }
  const restart = seen.get("restart")
  if (restart !== undefined && restart !== "no") {
    throw new PurserError(
      "ERR_USAGE",
      "--restart cannot be used here: the engine would restart the container without its secrets",
      {
        hint: `leave --restart out; ${how}`,
      },
    )
  }
}
