import { parseArgs, type ParseArgsOptionsConfig } from "node:util"
import { PurserError, reasonOf } from "../../base/errors.ts"
import { defaultPort } from "../../channel/port.ts"
import { defaultDirectory } from "../../files/file-line.ts"

/** The command line of `purser node`. Uses `parseArgs`, because the one-file receiver loads nothing from npm. */

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

Receives secrets from the agent that the enrolment string names. Starts COMMAND
once every required file is in place, and reloads it when files change.

  --enrol-file FILE     file with the enrolment string; or set PURSER_ENROL to the string
  --listen [HOST:]PORT  address to listen on; default [::]:${defaultPort}
  --directory DIR       base of relative paths; default ${defaultDirectory}
  --file LINE           NAME [path=PATH] [mode=0400] [owner=USER[:GROUP]] [optional]
                        a file to ask for; repeatable; PURSER_FILES: one per line; default: all that is granted
  --certificate LINE    NAME dns=HOST [ip=ADDRESS] [path=DIR] [mode=0400] [owner=USER[:GROUP]] [optional]
                        a certificate from the agent's CA for a key made here; repeatable
  --reload RELOAD       after changes: a signal (HUP) or restart of COMMAND; exec:COMMAND; http:URL
  --check CHECK         [HOST]:PORT [file=NAME] [name=SERVER] [within=10s]
                        puts the old files back if the new certificate is not served there
  --allow LIST          addresses, CIDRs or host names that may connect, comma-separated; repeatable
  --limit NAME=VALUE    a limit, such as sessions=8 (docs/protocol.md); repeatable
  --identity FILE       file for this node's key, for apps with trust: approved or pinned
  --name NAME           name in the agent's list; default: the host name
  --protocol NAME       fluxvault, for FluxVault's own agent, unauthenticated (docs/fluxvault.md)
  --status FILE         file that purser health reads
  --require-tmpfs       fail instead of writing to a disk
  --once                end after the first complete delivery
  --json                log as one JSON object per line
  -v, --verbose         log details
  -h, --help            print this text

Each option has a variable, such as PURSER_LISTEN for --listen.
`

type Parsed = ReturnType<typeof parse>

export type FlagValues = Parsed["values"]

export interface Flags {
  readonly values: FlagValues
  readonly command: readonly [string, ...string[]] | undefined
}

/** Reads the command line. Throws `ERR_USAGE`. */
export function parseFlags(argv: readonly string[]): Flags {
  const { values, positionals, tokens } = parse(argv)
  return { values, command: commandOf(positionals, tokens) }
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options, allowPositionals: true, strict: true, tokens: true })
  } catch (error) {
    // The first sentence of Node's message names the option and its fault.
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
    // The argument is not repeated in the message, because it may be an enrolment string.
    throw new PurserError("ERR_USAGE", "unexpected argument before --", {
      hint: "give the command after --, and the enrolment string in PURSER_ENROL or --enrol-file, never as an argument",
    })
  }
  return [file, ...args]
}
