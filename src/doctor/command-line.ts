import { isHarmlessValue, namesASecret, shapeOf } from "./secret-like.ts"

/**
 * Finds secrets in a command line. Returns reasons, each a clause without the secret's value. `words` are arguments;
 * an argument with white space is treated as a shell program and split.
 */
export function secretsInCommand(words: readonly string[]): string[] {
  const found = new Set<string>()
  const shape = shapeOf(words.join(" "))
  if (shape !== null) found.add(shape)
  const parts = words.flatMap((word) => (/\s/.test(word) ? splitShell(word) : [word]))
  for (const [index, part] of parts.entries()) {
    const [, dashes = "", name = "", equals, value = ""] =
      /^(--?|\/)?([A-Za-z_][\w.-]*)(=)?(.*)$/s.exec(part) ?? []
    // The value of `--secret` is usually the name of a secret.
    if (name === "" || !namesASecret(name) || (dashes !== "" && /^secrets?$/.test(name))) continue
    if (equals !== undefined && isContent(value))
      found.add(dashes === "" ? `it sets ${name}` : `it holds the value of ${dashes}${name}`)
    const next = parts[index + 1]
    if (
      dashes !== "" &&
      equals === undefined &&
      value === "" &&
      next !== undefined &&
      !next.startsWith("-")
    ) {
      if (isContent(next)) found.add(`it holds the value of ${dashes}${name}`)
    }
  }
  for (const [program, flag] of shortFlags) {
    const at = parts.findIndex((part) => program.test(part))
    if (at >= 0 && parts.slice(at + 1).some((part) => flag.test(part)))
      found.add("it holds a password behind a short flag")
  }
  const redis = parts.findIndex((part) => /(?:^|\/)redis-cli$/.test(part))
  const given = redis < 0 ? undefined : parts[parts.indexOf("-a", redis) + 1]
  if (redis >= 0 && parts.includes("-a", redis) && given !== undefined && isContent(given))
    found.add("it gives redis-cli a password")
  if (parts.some((part) => /^curl$|\/curl$/.test(part))) {
    const isGiven = parts.some((part, index) => {
      const user = /^(?:-[a-zA-Z]*u|--user)$/.test(part)
        ? parts[index + 1]
        : /^(?:-u|--user=)(.+)$/s.exec(part)?.[1]
      return user !== undefined && /^[^:$]*:(?!\$).+/s.test(unquoted(user))
    })
    if (isGiven) found.add("it gives curl a password")
  }
  return [...found]
}

/** Programs whose `-p` takes the password without a space. */
const shortFlags: readonly [program: RegExp, flag: RegExp][] = [
  [/(?:^|\/)(?:mysql|mysqladmin|mysqldump|mariadb|mariadb-admin|mariadb-dump)$/, /^-p(?!\$|"\$|'\$)[^\s-].*/],
  [/(?:^|\/)sshpass$/, /^-p(?!\$|"\$).+/],
]

/** Splits a shell program at white space and separators, which is enough to find flags and assignments. */
function splitShell(text: string): string[] {
  return text.split(/[\s;|&()]+/).filter((part) => part !== "")
}

/** Returns whether a text is a literal value, and not a variable or a command substitution of the shell. */
function isContent(text: string): boolean {
  const plain = unquoted(text)
  return !isHarmlessValue(plain) && !/^[$`]/.test(plain)
}

function unquoted(text: string): string {
  return text.replace(/^["']|["']$/g, "")
}
