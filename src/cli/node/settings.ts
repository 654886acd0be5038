import { PurserError } from "../../base/errors.ts"
import { parseAppName, quote } from "../../base/names.ts"
import { AllowList } from "../../channel/allow-list.ts"
import { parseCheck } from "../../rollout/check.ts"
import { checkPaths, defaultDirectory, parseFileLines } from "../../files/file-line.ts"
import { parseReload, type Reload } from "../../rollout/reload.ts"
import { filesOf, parseCertificateLines } from "../../node/certificate-line.ts"
import type { RunNodeOptions } from "../../node/run-options.ts"
import { childEnvironment } from "../../node/supervise.ts"
import { readEnrolment } from "./enrolment.ts"
import { parseFlags } from "./flags.ts"
import { fluxvaultSettings } from "./fluxvault.ts"
import { Given } from "./given.ts"
import { parseLimits } from "./limits.ts"
import { parseListen } from "./listen.ts"

/** The settings of `purser node`, from flags and environment. */
export interface NodeSettings {
  readonly options: RunNodeOptions
  readonly json: boolean
  readonly verbose: boolean
}

/** Reads the settings. Resolves with null for `--help`. Throws `ERR_USAGE` and the errors of the parsers of each setting. */
export async function readNodeSettings(
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<NodeSettings | null> {
  const { values, command } = parseFlags(argv)
  if (values.help === true) return null
  const given = new Given(values, env)
  const directory = given.text("directory") ?? defaultDirectory
  const reload = reloadOf(given, command !== undefined)
  const check = mapDefined(given.text("check"), parseCheck)
  const once = given.isOn("once")
  if (once && command !== undefined) {
    throw new PurserError("ERR_USAGE", "--once and a command exclude each other", {
      hint: "leave --once out: with a command the node runs until the command ends",
    })
  }
  const files = mapDefined(values.file ?? given.variable("FILES"), parseFileLines)
  const certificates = parseCertificateLines(values.certificate ?? given.variable("CERTIFICATE") ?? "")
  checkPaths([...(files ?? []), ...filesOf(certificates)], directory)
  const allowed = listOf(values.allow?.join(",") ?? given.variable("ALLOW"))
  // An empty list allows all addresses, like no list.
  const allow = allowed.length === 0 ? undefined : AllowList.parse(allowed)
  const protocol = given.text("protocol") ?? "purser"
  if (protocol !== "purser" && protocol !== "fluxvault") {
    throw new PurserError("ERR_USAGE", `there is no protocol ${quote(protocol)}`, {
      hint: "purser or fluxvault",
    })
  }
  const ofProtocol =
    protocol === "fluxvault"
      ? fluxvaultSettings(given, allow, files)
      : {
          enrolment: await readEnrolment(given, directory),
          allow,
          files,
          certificates,
          identityFile: given.text("identity"),
          name: mapDefined(given.text("name"), parseAppName),
        }
  return {
    options: {
      ...ofProtocol,
      listen: mapDefined(given.text("listen"), parseListen),
      directory,
      reload,
      check,
      limits: parseLimits(values.limit ?? listOf(given.variable("LIMITS"))),
      statusFile: given.text("status"),
      requireTmpfs: given.isOn("require-tmpfs"),
      once,
      command,
      env: childEnvironment(env),
    },
    json: given.isOn("json"),
    verbose: given.isOn("verbose"),
  }
}

function reloadOf(given: Given, hasCommand: boolean): Reload | undefined {
  const text = given.text("reload")
  const reload = mapDefined(text, parseReload)
  if (!hasCommand && (reload?.kind === "signal" || reload?.kind === "restart")) {
    throw new PurserError("ERR_RELOAD_SPEC", `reload ${text} needs a command to reload`, {
      hint: "give the command after --, or use exec:COMMAND or http:URL",
    })
  }
  return reload
}

function listOf(text = ""): string[] {
  return text.split(/[\s,]+/).filter((part) => part !== "")
}

function mapDefined<T, U>(value: T | undefined, map: (value: T) => U): U | undefined {
  return value === undefined ? undefined : map(value)
}
