import { parseArgs, type ParseArgsOptionsConfig } from "node:util"
import { PurserError, reasonOf } from "../../base/errors.ts"
import { defaultPort } from "../../channel/port.ts"
import { defaultDirectory } from "../../files/file-line.ts"

/** The command line of `purser node`. */

const options = {
  "enrol-file": { type: "string" },
  listen: { type: "string" },
  directory: { type: "string" },
  file: { type: "string", multiple: true },
  certificate: { type: "string", multiple: true },
  reload: { type: "string" },
  check: { type: "string" },
  allow: { type: "string", multiple: true },
  limit: { type: "string", multiple: true },
  identity: { type: "string" },
  name: { type: "string" },
  protocol: { type: "string" },
  status: { type: "string" },
  "require-tmpfs": { type: "boolean" },
  once: { type: "boolean" },
  json: { type: "boolean" },
  verbose: { type: "boolean", short: "v" },
  help: { type: "boolean", short: "h" },
} as const satisfies ParseArgsOptionsConfig

export const usage = `Usage: purser node [options] [-- COMMAND [ARG...]]

Receives secrets from the agent that the enrolment string names. With a command:
starts it once every required file is in place, and reloads it on changes.

  --enrol-file FILE     the file that holds the enrolment string; or set PURSER_ENROL
  --listen [HOST:]PORT  default [::]:${defaultPort}
  --directory DIR       where files go unless their line has a path (${defaultDirectory})
  --file LINE           NAME [path=PATH] [mode=0400] [owner=USER[:GROUP]] [optional]
                        repeatable; PURSER_FILES has one a line; default: all that is granted
  --certificate LINE    NAME dns=HOST [ip=ADDRESS] [path=DIR] [mode=0400] [owner=USER[:GROUP]] [optional]
                        a certificate from the agent's CA for a key made here; repeatable; or PURSER_CERTIFICATE
  --reload RELOAD       a signal (HUP) or restart, of the command; exec:COMMAND; http:URL
  --check CHECK         [HOST]:PORT [file=NAME] [name=SERVER] [within=10s]: afterwards the new certificate
                        is served there, or the old files are put back
  --allow WHO           addresses, CIDRs or host names that may connect, with commas; repeatable
  --limit NAME=VALUE    such as secret_bytes=4194304 or sessions=8 (docs/protocol.md); repeatable
  --identity FILE       keep this node's key there (for apps with trust approved or pinned)
  --name NAME           how the agent lists this node; default: the host name
  --protocol NAME       fluxvault, for an agent of FluxVault's own: unauthenticated; needs --allow
                        and --file, and no enrolment string (docs/fluxvault.md)
  --status FILE         keep the health status there, for purser health
  --require-tmpfs       refuse to write to a disk
  --once                end after the first complete delivery
  --json                one JSON object a line
  -v, --verbose         say more
  -h, --help            this text

Each has a variable: PURSER_LISTEN for --listen, PURSER_ENROL_FILE for --enrol-file, and so on.
`

type Parsed = ReturnType<typeof parse>

export type FlagValues = Parsed["values"]

export interface Flags {
  readonly values: FlagValues
  readonly command: readonly [string, ...string[]] | undefined
}

/** Throws `ERR_USAGE`. */
export function parseFlags(argv: readonly string[]): Flags {
  const { values, positionals, tokens } = parse(argv)
  return { values, command: commandOf(positionals, tokens) }
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options, allowPositionals: true, strict: true, tokens: true })
  } catch (error) {
    // Node's own message names the option and what is wrong with it.
    throw new PurserError("ERR_USAGE", reasonOf(error).split(". ")[0] ?? "bad usage", {
      hint: "see purser node --help",
    })
  }
}

function commandOf(positionals: string[], tokens: Parsed["tokens"]): [string, ...string[]] | undefined {
  const [file, ...args] = positionals
  if (file === undefined) return undefined
  const terminator = tokens.find((token) => token.kind === "option-terminator")
  const first = tokens.find((token) => token.kind === "positional")
  if (terminator === undefined || first === undefined || first.index < terminator.index) {
    // Not repeated: it may be an enrolment string that somebody meant to give this way.
    throw new PurserError("ERR_USAGE", "an argument that is no option", {
      hint: "a command comes after --; the enrolment string by PURSER_ENROL or --enrol-file, never as an argument",
    })
  }
  return [file, ...args]
}
