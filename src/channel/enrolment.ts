import { randomBytes } from "node:crypto"
import { PurserError } from "../base/errors.ts"
import { isAppName } from "../base/names.ts"
import { isBase64Url32 } from "./base64url.ts"
import { pinOfHash, type Pin } from "./pin.ts"

/**
 * The enrolment string, one value that lets a fresh node and its agent
 * recognise each other:
 *
 *     purser1.<app>.<pin>[,<next pin>][.<token>]
 *
 * Pins are written without `sha256:`, because `purser1` fixes the hash; pins and
 * token are 43 characters of base64url each. No character needs quoting in a
 * shell, in YAML or in a URL.
 */
export interface Enrolment {
  readonly app: string
  /** The one or two pins that the agent may have: its own, and the next one while it rotates its key. */
  readonly agentPins: readonly Pin[]
  /** 32 bytes, secret. Absent in the trust modes without a token (`approved`, `pinned`). */
  readonly token?: Buffer
}

const version = "purser1"
const longest = 256

/** Returns a new token: 32 random bytes. */
export function createToken(): Buffer {
  return randomBytes(32)
}

/** Formats an enrolment string. Throws a `TypeError` for invalid parts. */
export function formatEnrolment({ app, agentPins, token }: Enrolment): string {
  const pins = agentPins.map((pin) => pin.slice("sha256:".length))
  const text = [
    version,
    app,
    pins.join(","),
    ...(token === undefined ? [] : [token.toString("base64url")]),
  ].join(".")
  if (problemOf(text) !== undefined)
    throw new TypeError(`cannot be written as an enrolment string: ${problemOf(text)}`)
  return text
}

/**
 * Parses an enrolment string, with white space around it ignored. Throws `ERR_ENROLMENT`, whose message holds no part
 * of the string.
 */
export function parseEnrolment(text: string): Enrolment {
  const trimmed = text.trim()
  const problem = problemOf(trimmed)
  if (problem !== undefined) {
    throw new PurserError("ERR_ENROLMENT", `the enrolment string is damaged: ${problem}`, {
      hint: "copy the whole line that `purser enrol APP` printed: purser1.<app>.<pin>.<token>",
    })
  }
  const [, app = "", pins = "", token] = trimmed.split(".")
  return Object.freeze({
    app,
    agentPins: Object.freeze(pins.split(",").map((pin) => pinOfHash(Buffer.from(pin, "base64url")))),
    ...(token === undefined ? {} : { token: Buffer.from(token, "base64url") }),
  })
}

function problemOf(text: string): string | undefined {
  if (text === "") return "it is empty"
  if (text.length > longest) return "it is too long"
  const [head, app, pins, token, ...rest] = text.split(".")
  if (head !== version) return `it does not begin with ${version}.`
  if (app === undefined || !isAppName(app)) return "its second part is not the name of an app"
  const list = pins?.split(",") ?? []
  if (!list.every(isBase64Url32) || list.length < 1 || list.length > 2)
    return "its third part is not one or two pins"
  if (list[0] === list[1]) return "its two pins are the same"
  if (token !== undefined && !isBase64Url32(token)) return "its token is cut or changed"
  return rest.length > 0 ? "it has too many parts" : undefined
}
