import { PurserError } from "../../base/errors.ts"
import type { AllowList } from "../../channel/allow-list.ts"
import type { FileLine } from "../../files/file-line.ts"
import { wireName } from "../../node/fluxvault.ts"
import type { RunFluxvaultNodeOptions } from "../../node/run-options.ts"
import type { Given } from "./given.ts"

/** The settings for FluxVault's protocol. Throws `ERR_USAGE` when one that it needs is missing, or one that it cannot use is given. */
export function fluxvaultSettings(
  given: Given,
  allow: AllowList | undefined,
  files: readonly FileLine[] | undefined,
): Pick<RunFluxvaultNodeOptions, "protocol" | "allow" | "files"> {
  const unusable =
    (["enrol-file", "identity", "name", "certificate"] as const)
      .filter((flag) => given.values[flag] !== undefined)
      .map((flag) => `--${flag}`)[0] ??
    ["ENROL", "ENROL_FILE", "IDENTITY", "NAME", "CERTIFICATE"]
      .filter((name) => given.variable(name) !== undefined)
      .map((name) => `PURSER_${name}`)[0]
  if (unusable !== undefined)
    throw bad(
      `${unusable} has no meaning with the protocol fluxvault`,
      "leave it out: that protocol authenticates neither end, and delivers files only",
    )
  if (allow === undefined)
    throw bad(
      "--protocol fluxvault needs an allow-list",
      "give the agent's address with --allow or PURSER_ALLOW, because nothing else keeps strangers out",
    )
  if (files === undefined || files.length === 0)
    throw bad(
      "--protocol fluxvault needs a list of files",
      "give file lines with --file or PURSER_FILES, because that protocol cannot list them",
    )
  files.forEach(wireName)
  return { protocol: "fluxvault", allow, files }
}

function bad(message: string, hint: string): PurserError {
  return new PurserError("ERR_USAGE", message, { hint })
}
