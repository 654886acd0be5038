/**
 * Judges whether a value looks like a secret: by its shape, by its name, or because it looks random. The reason that
 * it gives may not contain any part of the value.
 */

export interface Suspicion {
  /** A clause for the end of a sentence: `it holds a private key`. */
  readonly reason: string
  /** False for a value that only looks random. */
  readonly isSure: boolean
}

/** Repetitions are bounded, because the text may come from an attacker who wants the match to take long. */
const shapes: readonly [pattern: RegExp, reason: string][] = [
  [/-----BEGIN (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY-----/, "it holds a private key"],
  [/\bAGE-SECRET-KEY-1[0-9A-Z]{20}/, "it holds an age identity"],
  [/[a-z0-9]:\/\/[^\s/:@"'$]{0,256}:(?!\$)[^\s/@"']{1,512}@[^\s/]/i, "it holds a URL with a password"],
  [
    /[?&](?:(?:access|auth|api|refresh)_?)?(?:token|key|secret|password|passwd|sig)=(?!\$)[^\s&#"'$]{6}/i,
    "it holds a URL with a token",
  ],
  [
    /(?:^|[\s;,"'])(?:password|passwd|pwd) ?= ?["']?(?![$</{"'\s;]|(?:true|false|yes|no|none|required)\b)[^\s;]/i,
    "it holds a connection string with a password",
  ],
  [/"auth" ?: ?"[A-Za-z0-9+/]{8}|"identitytoken" ?: ?"[^"]/i, "it holds a registry's credentials"],
  [/\beyJ[\w-]{8,400}\.eyJ[\w-]{8}/, "it holds a JSON web token"],
  [/\bgh[pousr]_[A-Za-z0-9]{20}|\bgithub_pat_\w{20}/, "it holds a GitHub token"],
  [/\bglpat-[\w-]{16}/, "it holds a GitLab token"],
  [/\bxox[abeprs]-[\w-]{10}/, "it holds a Slack token"],
  [/\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/, "it holds an AWS access key"],
  [
    /\b[sr]k_(?:live|test)_[A-Za-z0-9]{16}|\bsk-(?:[a-z]{2,10}\d{0,3}-){0,3}(?=[a-z_-]{0,40}[A-Z0-9])[\w-]{20}/,
    "it holds an API key",
  ],
  [/\bAIza[\w-]{30}/, "it holds a Google API key"],
  [/\bhv[sb]\.[\w-]{20}|\bs\.[A-Za-z0-9]{24}\b/, "it holds a Vault token"],
  [/\bnpm_[A-Za-z0-9]{30}/, "it holds an npm token"],
  [/\bBearer\s{1,8}(?!\$)[\w.~+/-]{12}/i, "it holds a bearer token"],
  [/\bAuthorization["']?[:=]\s{0,8}["']?Basic\s{1,8}(?!\$)[\w+/]{6}/i, "it holds a basic authorization"],
]

/** Whole words of a name. Only PASSWORD and its like also match at the end of a longer word. */
const secretWords =
  /(?:^|[_.-])(?:PASS|[A-Z0-9]{0,40}(?:PASSWORD|PASSWD|PASSPHRASE)S?|SSHPASS|REQUIREPASS|MASTERAUTH|REDISCLI_AUTH|PWD|SECRETS?|AUTHTOKEN|TOKENS?|CREDENTIALS?|APIKEY|(?:API|PRIVATE|SECRET|ACCESS|ENCRYPTION|SIGNING|MASTER|AUTH|LICENSE|ACCOUNT|STORAGE|SESSION|APP)[_.-]?KEY)(?:$|[_.-])/
/** Name endings that mark a place or a property of a secret, and not the secret itself. */
const aboutSecrets =
  /[_.-](?:FILE|FILES|PATH|DIR|DIRECTORY|URL|URI|HOST|NAME|USER|USERNAME|ID|TTL|EXPIRY|EXPIRES|EXPIRATION|TIMEOUT|LENGTH|SIZE|TYPE|ALGORITHM|ALG|METHOD|HEADER|ENABLED|DISABLED|POLICY|ISSUER|AUDIENCE|VERSION|ENGINE|STORE|PREFIX|HASH|DIGEST)$|^TOKENIZERS?_/
const notSecret = /^(?:PWD|OLDPWD|GPG_KEYS?|.*PUBLIC_?KEY.*|.*PUBKEY.*)$/
/** Names of values that look random but are not secret, such as digests. */
const publicNames =
  /SHA|CHECKSUM|DIGEST|COMMIT|REVISION|(?:^|[_.-])(?:REV|REF|ID)(?:$|[_.-])|VERSION|GPG|FINGERPRINT|PUBLIC|PUBKEY|(?:^|_)PGP(?:_|$)|CHARSET|ALPHABET|HOSTNAME|UUID|ETAG|INTEGRITY|HASH|BUILD_ID|(?:^|_)PATH|CLASSPATH|FEATURES|FLAGS|OPTS|OPTIONS/

/** Judges a variable or label. Null if it does not look like a secret. */
export function suspicionOf(name: string, value: string): Suspicion | null {
  const shape = shapeOf(value)
  if (shape !== null) return { reason: shape, isSure: true }
  const upper = splitCamel(name).toUpperCase()
  if (isHarmlessValue(value)) return null
  if (namesASecret(name)) return { reason: "its name says that it is a secret", isSure: true }
  if (!publicNames.test(upper) && looksRandom(value))
    return { reason: "its value looks random", isSure: false }
  return null
}

/** Returns why a text holds a secret by its shape, or null. */
export function shapeOf(text: string): string | null {
  return shapes.find(([pattern]) => pattern.test(text))?.[1] ?? null
}

/** Returns whether a flag or variable of this name takes a secret. */
export function namesASecret(name: string): boolean {
  const upper = splitCamel(name).toUpperCase()
  return secretWords.test(upper) && !aboutSecrets.test(upper) && !notSecret.test(upper)
}

/** Returns whether a value cannot be a secret: a switch, a number, a path or a reference. */
export function isHarmlessValue(value: string): boolean {
  return (
    /^(?:|true|false|yes|no|on|off|none|null|required|optional|enabled|disabled|\d{1,3})$/i.test(value) ||
    isPath(value) ||
    /^(?:\$\{?\w+\}?|\$\$\{?\w+\}?|\{\{.*\}\}|%\w+%|<[\w -]+>|\*+)$/.test(value)
  )
}

/** Rejects a random word behind the slash, because base64 may begin with a slash too. */
function isPath(value: string): boolean {
  return /^(?:\.{0,2}|~)\/[\w./-]+$/.test(value) && !isRandomWord(value.replace(/^[.~]{0,2}\//, ""))
}

function splitCamel(name: string): string {
  return name.replace(/([a-z0-9])([A-Z])/g, "$1_$2")
}

/** Returns whether a value is a single word of at least 16 characters that a person would not have chosen. */
function looksRandom(value: string): boolean {
  if (!/^[A-Za-z0-9+/_=.~-]{16,4096}$/.test(value)) return false
  if (/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(value)) return false
  if (/^[\d.:-]+$/.test(value) || /^[a-z]+(?:[-_.][a-z]+)*$/i.test(value)) return false
  if (
    /^(?:\w[\w.-]*)?(?:\/[\w.@-]+)+$/.test(value) &&
    value.split("/").some((part) => /^[a-z]{3,}$/.test(part))
  )
    return false
  if (/^[0-9a-f]+$/i.test(value)) return value.length >= 32 && entropyOf(value.toLowerCase()) > 3
  return isRandomWord(value)
}

/** The entropy threshold is lower for short texts, because 16 characters can have at most 4 bits each. */
function isRandomWord(text: string): boolean {
  if (text.length < 16 || text.length > 4096) return false
  const classes = [/[a-z]/, /[A-Z]/, /\d/].filter((one) => one.test(text)).length
  return (
    classes === 3 &&
    entropyOf(text) > (text.length < 20 ? 3.45 : 3.7) &&
    longestWord(text) < longestLetters(text)
  )
}

/**
 * The length of one-case runs from which a text is taken for words, such as `Prod2024ShopDatabase`. Random texts have
 * shorter ones.
 */
function longestLetters(text: string): number {
  return text.length < 20 ? 5 : 12
}

/** Returns the Shannon entropy in bits per character. */
function entropyOf(text: string): number {
  const counts = new Map<string, number>()
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1)
  return [...counts.values()].reduce((sum, count) => {
    const share = count / text.length
    return sum - share * Math.log2(share)
  }, 0)
}

/** Returns the length of the longest run of letters in one case. */
function longestWord(text: string): number {
  return Math.max(0, ...[...text.matchAll(/[a-z]+|[A-Z]+/g)].map(([run]) => run.length))
}
