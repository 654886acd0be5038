/**
 * Whether something looks like a secret: by its shape, by the name that it goes by, or because it looks random. What is
 * said of it never holds any of it.
 */

export interface Suspicion {
  /** Ends a sentence: `it holds a private key`. */
  readonly reason: string
  /** Random looks may deceive. */
  readonly isSure: boolean
}

const shapes: readonly [pattern: RegExp, reason: string][] = [
  [/-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----/, "it holds a private key"],
  [/\bAGE-SECRET-KEY-1[0-9A-Z]{20}/, "it holds an age identity"],
  [/\b[a-z][a-z0-9+.-]*:\/\/[^\s/:@"'$]*:(?!\$)[^\s/@"']+@[^\s/]/i, "it holds a URL with a password"],
  [/\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}/, "it holds a JSON web token"],
  [/\bgh[pousr]_[A-Za-z0-9]{20}|\bgithub_pat_\w{20}/, "it holds a GitHub token"],
  [/\bglpat-[\w-]{16}/, "it holds a GitLab token"],
  [/\bxox[abeprs]-[\w-]{10}/, "it holds a Slack token"],
  [/\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/, "it holds an AWS access key"],
  [/\b[sr]k_(?:live|test)_[A-Za-z0-9]{16}|\bsk-(?:[a-z]+-)*[\w-]{20}/, "it holds an API key"],
  [/\bAIza[\w-]{30}/, "it holds a Google API key"],
  [/\bhv[sb]\.[\w-]{20}|\bs\.[A-Za-z0-9]{24}\b/, "it holds a Vault token"],
  [/\bnpm_[A-Za-z0-9]{30}/, "it holds an npm token"],
  [/\bBearer\s+(?!\$)[\w.~+/-]{12}/i, "it holds a bearer token"],
]

/** Whole words of a name, wherever its parts are divided. */
const secretWords =
  /(?:^|[_.-])(?:PASS|PASSWORD|PASSWD|PASSPHRASE|PWD|SECRET|SECRETS|TOKEN|CREDENTIALS?|APIKEY|(?:API|PRIVATE|SECRET|ACCESS|ENCRYPTION|SIGNING|MASTER|AUTH|LICENSE|ACCOUNT|STORAGE|SESSION|APP)[_.-]?KEY)(?:$|[_.-])/
/** The same words at the end of a name that says where or what it is, and not the thing itself. */
const aboutSecrets =
  /[_.-](?:FILE|FILES|PATH|DIR|DIRECTORY|URL|URI|HOST|NAME|USER|USERNAME|ID|TTL|EXPIRY|EXPIRES|EXPIRATION|TIMEOUT|LENGTH|SIZE|TYPE|ALGORITHM|ALG|METHOD|HEADER|ENABLED|DISABLED|POLICY|ISSUER|AUDIENCE|VERSION|ENGINE|STORE|PREFIX|HASH|DIGEST)$/
const notSecret = /^(?:PWD|OLDPWD|GPG_KEYS?|.*PUBLIC_?KEY.*|.*PUBKEY.*)$/
/** What holds digests and the like, which look random and are none. */
const publicNames =
  /SHA|CHECKSUM|DIGEST|COMMIT|REVISION|(?:^|_)REV(?:$|_)|VERSION|GPG|FINGERPRINT|PUBLIC|PUBKEY|HOSTNAME|UUID|ETAG|INTEGRITY|HASH|BUILD_ID|(?:^|_)PATH|CLASSPATH|FEATURES|FLAGS|OPTS|OPTIONS/

/** Of a variable, a label or the like. Null when nothing speaks against it. */
export function suspicionOf(name: string, value: string): Suspicion | null {
  const shape = shapeOf(value)
  if (shape !== null) return { reason: shape, isSure: true }
  const upper = splitCamel(name).toUpperCase()
  if (isNoContent(value)) return null
  if (secretWords.test(upper) && !aboutSecrets.test(upper) && !notSecret.test(upper))
    return { reason: "its name says that it is a secret", isSure: true }
  if (!publicNames.test(upper) && looksRandom(value))
    return { reason: "its value looks random", isSure: false }
  return null
}

/** What a text holds that is a secret by its shape; null when nothing. */
export function shapeOf(text: string): string | null {
  return shapes.find(([pattern]) => pattern.test(text))?.[1] ?? null
}

/** Whether a flag or variable of this name takes a secret. */
export function isSecretName(name: string): boolean {
  const upper = splitCamel(name).toUpperCase()
  return secretWords.test(upper) && !aboutSecrets.test(upper) && !notSecret.test(upper)
}

/** Switches, numbers, paths and references to something else. */
export function isNoContent(value: string): boolean {
  return (
    /^(?:|true|false|yes|no|on|off|none|null|required|optional|enabled|disabled|\d{1,3})$/i.test(value) ||
    /^(?:\.{0,2}|~)\/[\w./-]+$/.test(value) ||
    /^(?:\$\{?\w+\}?|\$\$\{?\w+\}?|\{\{.*\}\}|%\w+%|<[\w -]+>|\*+)$/.test(value)
  )
}

function splitCamel(name: string): string {
  return name.replace(/([a-z0-9])([A-Z])/g, "$1_$2")
}

/** A single word of 20 characters and more that no person would have thought of. */
function looksRandom(value: string): boolean {
  if (!/^[A-Za-z0-9+/_=.~-]{20,}$/.test(value)) return false
  if (/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(value)) return false
  if (/^[\d.:-]+$/.test(value) || /^[a-z]+(?:[-_.][a-z]+)*$/i.test(value)) return false
  if (
    /^(?:\w[\w.-]*)?(?:\/[\w.@-]+)+$/.test(value) &&
    value.split("/").some((part) => /^[a-z]{3,}$/.test(part))
  )
    return false
  if (/^[0-9a-f]+$/i.test(value)) return value.length >= 32 && entropyOf(value.toLowerCase()) > 3
  const classes = [/[a-z]/, /[A-Z]/, /\d/].filter((one) => one.test(value)).length
  return classes === 3 && entropyOf(value) > 3.7 && longestWord(value) < 12
}

/** Shannon's, in bits a character. */
function entropyOf(text: string): number {
  const counts = new Map<string, number>()
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1)
  return [...counts.values()].reduce((sum, count) => {
    const share = count / text.length
    return sum - share * Math.log2(share)
  }, 0)
}

/** Of letters in one case: words of people are in long runs of them, random ones are not. */
function longestWord(text: string): number {
  return Math.max(0, ...[...text.matchAll(/[a-z]+|[A-Z]+/g)].map(([run]) => run.length))
}
