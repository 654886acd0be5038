import { isNoContent, namesASecret, shapeOf } from "./secret-like.ts"

/**
 * What in a command line is a secret, each as the end of a sentence and without its value. `words` are arguments; one
 * with white space is taken for a shell's program and looked into.
 */
export function secretsInCommand(words: readonly string[]): string[] {
  const found = new Set<string>()
  const shape = shapeOf(words.join(" "))
  if (shape !== null) found.add(shape)
  const parts = words.flatMap((word) => (/\s/.test(word) ? splitShell(word) : [word]))
  for (const [index, part] of parts.entries()) {
    const [, dashes = "", name = "", equals, value = ""] =
      /^(--?|\/)?([A-Za-z_][\w.-]*)(=)?(.*)$/s.exec(part) ?? []
    // Of `--secret` what follows is mostly the name of one.
    if (name === "" || !namesASecret(name) || (dashes !== "" && /^secrets?$/.test(name))) continue
    if (equals !== undefined && isContent(value))
      found.add(dashes === "" ? `it sets ${name}` : `the value of ${dashes}${name} is in it`)
    const next = parts[index + 1]
    if (
      dashes !== "" &&
      equals === undefined &&
      value === "" &&
      next !== undefined &&
      !next.startsWith("-")
    ) {
      if (isContent(next)) found.add(`the value of ${dashes}${name} is in it`)
    }
  }
  for (const [program, flag] of shortFlags) {
    const at = parts.findIndex((part) => program.test(part))
    if (at >= 0 && parts.slice(at + 1).some((part) => flag.test(part)))
      found.add("a password follows a short flag in it")
  }
  const redis = parts.findIndex((part) => /(?:^|\/)redis-cli$/.test(part))
  const given = redis < 0 ? undefined : parts[parts.indexOf("-a", redis) + 1]
  if (redis >= 0 && parts.includes("-a", redis) && given !== undefined && isContent(given))
    found.add("redis-cli is given a password in it")
  if (parts.some((part) => /^curl$|\/curl$/.test(part))) {
    const isGiven = parts.some((part, index) => {
      const user = /^(?:-[a-zA-Z]*u|--user)$/.test(part)
        ? parts[index + 1]
        : /^(?:-u|--user=)(.+)$/s.exec(part)?.[1]
      return user !== undefined && /^[^:$]*:(?!\$).+/s.test(unquoted(user))
    })
    if (isGiven) found.add("curl is given a password in it")
  }
  return [...found]
}

/** Programs whose `-p` takes the password without a space. */
const shortFlags: readonly [program: RegExp, flag: RegExp][] = [
  [/(?:^|\/)(?:mysql|mysqladmin|mysqldump|mariadb|mariadb-admin|mariadb-dump)$/, /^-p(?!\$|"\$|'\$)[^\s-].*/],
  [/(?:^|\/)sshpass$/, /^-p(?!\$|"\$).+/],
]

/** As far as it matters here: words by white space and the shell's separators. */
function splitShell(text: string): string[] {
  return text.split(/[\s;|&()]+/).filter((part) => part !== "")
}

/** Not what the shell puts there from elsewhere. */
function isContent(text: string): boolean {
  const plain = unquoted(text)
  return !isNoContent(plain) && !/^[$`]/.test(plain)
}

function unquoted(text: string): string {
  return text.replace(/^["']|["']$/g, "")
}
