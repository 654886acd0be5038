import type { FlagValues } from "./flags.ts"

/** The flags and variables of `purser node`. A flag takes precedence over its variable; a blank variable counts as unset. */
export class Given {
  readonly values: FlagValues
  readonly #env: NodeJS.ProcessEnv

  constructor(values: FlagValues, env: NodeJS.ProcessEnv) {
    this.values = values
    this.#env = env
  }

  /** The value of a flag, or of its variable, such as `PURSER_ENROL_FILE` for `enrol-file`. */
  text(
    flag:
      | "enrol-file"
      | "listen"
      | "directory"
      | "reload"
      | "check"
      | "identity"
      | "name"
      | "protocol"
      | "status",
  ): string | undefined {
    return this.values[flag] ?? this.variable(nameOf(flag))
  }

  isOn(flag: "require-tmpfs" | "once" | "json" | "verbose"): boolean {
    const variable = this.variable(nameOf(flag))?.toLowerCase() ?? ""
    return this.values[flag] ?? ["1", "true", "yes", "on"].includes(variable)
  }

  /** The value of the variable `PURSER_` + name. */
  variable(name: string): string | undefined {
    const text = this.#env[`PURSER_${name}`]
    return text === undefined || text.trim() === "" ? undefined : text
  }
}

function nameOf(flag: string): string {
  return flag.toUpperCase().replaceAll("-", "_")
}
