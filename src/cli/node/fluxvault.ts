import { PurserError } from "../../base/errors.ts"
import type { AllowList } from "../../channel/allow-list.ts"
import type { FileLine } from "../../files/file-line.ts"
import { wireName } from "../../node/fluxvault.ts"
import type { RunFluxvaultNodeOptions } from "../../node/run-options.ts"
import type { Given } from "./given.ts"

/** Throws `ERR_USAGE` where it lacks what FluxVault's own protocol needs, or has what that cannot use. */
export function fluxvaultSettings(
  given: Given,
  allow: AllowList | undefined,
  files: readonly FileLine[] | undefined,
): Pick<RunFluxvaultNodeOptions, "protocol" | "allow" | "files"> {
  const vain =
    (["enrol-file", "identity", "name", "certificate"] as const)
      .filter((flag) => given.values[flag] !== undefined)
      .map((flag) => `--${flag}`)[0] ??
    ["ENROL", "ENROL_FILE", "IDENTITY", "NAME", "CERTIFICATE"]
      .filter((name) => given.variable(name) !== undefined)
      .map((name) => `PURSER_${name}`)[0]
  if (vain !== undefined)
    throw bad(
      `${vain} has no meaning with the protocol fluxvault`,
      "no end of it proves who it is, and it knows files only",
    )
  if (allow === undefined)
    throw bad(
      "--protocol fluxvault needs an allow-list",
      "name the agent by --allow or PURSER_ALLOW: nothing else keeps strangers off",
    )
  if (files === undefined || files.length === 0)
    throw bad(
      "--protocol fluxvault needs a list of files",
      "give file lines by --file or PURSER_FILES: it cannot ask what there is",
    )
  files.forEach(wireName)
  return { protocol: "fluxvault", allow, files }
}

function bad(message: string, hint: string): PurserError {
  return new PurserError("ERR_USAGE", message, { hint })
}
