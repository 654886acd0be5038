import { createPublicKey, generateKeyPair } from "node:crypto"
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { silentLog } from "../src/base/log.ts"
import { Secret } from "../src/base/secret.ts"
import { Ca } from "../src/ca/ca.ts"
import { newSerial, signCertificate, type Profile } from "../src/ca/certificate.ts"
import { caSchema, resolveCa } from "../src/ca/config.ts"
import type { KeyTypeName } from "../src/x509/key-families.ts"
import { SecretStore } from "../src/sources/store/store.ts"
import { median, type Row, type Section } from "./measure.ts"

/** The CA: issuing one by one, as commands and agents do, against openssl doing the same and against the cryptography alone. */

const { signal } = new AbortController()
const many = 1000
const turns = 5
const batches = { p256: 40, rsa2048: 12 } as const

export async function measureCa(): Promise<Section> {
  // On a disk, since that is where a CA lives, and every record is synced.
  const stage = mkdtempSync(join(process.cwd(), ".cache/bench-ca-"))
  try {
    const rows: Row[] = []
    for (const [type, what] of [
      ["p256", "EC P-256"],
      ["rsa2048", "RSA 2048"],
    ] as const)
      rows.push(await issuing(type, what, join(stage, type)))
    rows.push(...(await thousand(join(stage, "many"))))
    return {
      title: "The little CA",
      text: `Certificates with keys of their own. A second's worth by Purser (key, policy, certificate, key encrypted and record synced to disk, index), by \`openssl req -new -newkey\` and \`openssl x509 -req\` in a shell loop, which leaves the key in the clear and keeps no index, and by the floor: making the key and signing, in this process, with nothing kept. ${turns} rounds of each in turns, medians. Then ${many} in one CA.`,
      rows,
      ratios: rows.flatMap(({ what, figures }) => {
        const ratio = figures["against its floor"]
        return ratio === undefined ? [] : [{ what, ratio: Number(ratio) }]
      }),
    }
  } finally {
    rmSync(stage, { recursive: true, force: true })
  }
}

async function issuing(type: "p256" | "rsa2048", what: string, stateDir: string): Promise<Row> {
  await using ca = await made(stateDir, type)
  const count = batches[type]
  const ways: Record<string, () => Promise<void>> = {
    purser: async () => {
      for (let index = 0; index < count; index++) await issue(ca, `www-${index}`)
    },
    openssl: async () => byOpenssl(type, count),
    floor: async () => {
      for (let index = 0; index < count; index++) await bare(type)
    },
  }
  const times = new Map(Object.keys(ways).map((name) => [name, [] as number[]]))
  for (const way of Object.values(ways)) await way()
  for (let turn = 0; turn < turns; turn++) {
    for (const [name, way] of Object.entries(ways)) {
      const begun = performance.now()
      await way()
      times.get(name)?.push((performance.now() - begun) / count)
    }
  }
  const [purser = 0, openssl = 0, floor = 0] = ["purser", "openssl", "floor"].map((name) =>
    median(times.get(name) ?? []),
  )
  const second = (ms: number): string => (1000 / ms).toFixed(0)
  return {
    what: `issuing ${what}`,
    figures: {
      "a second": second(purser),
      "openssl, a second": second(openssl),
      "faster than openssl": `${(openssl / purser).toFixed(1)} ×`,
      "against its floor": (purser / floor).toFixed(2),
    },
  }
}

async function thousand(stateDir: string): Promise<Row[]> {
  await using ca = await made(stateDir, "p256")
  const timed = async (work: () => Promise<unknown>): Promise<number> => {
    const begun = performance.now()
    await work()
    return performance.now() - begun
  }
  const names = Array.from({ length: many }, (_, index) => `host-${index}`)
  const issued = await timed(async () => {
    for (const name of names) await issue(ca, name)
  })
  const lists: number[] = []
  for (let turn = 0; turn < turns; turn++) lists.push(await timed(() => ca.list({ all: false })))
  const renewed = await timed(async () => {
    for (const name of names) await ca.renew(name, signal)
  })
  const found = (await ca.list({ all: true })).length
  if (found !== 2 * many) throw new Error(`${found} certificates instead of ${2 * many}`)
  const reindexed = await timed(() => ca.reindex(signal))
  return [
    { what: `${many} issued`, figures: { seconds: (issued / 1000).toFixed(1) } },
    { what: `${many} listed`, figures: { seconds: (median(lists) / 1000).toFixed(3) } },
    { what: `${many} renewed`, figures: { seconds: (renewed / 1000).toFixed(1) } },
    { what: `index of ${2 * many} built anew`, figures: { seconds: (reindexed / 1000).toFixed(1) } },
  ]
}

async function made(stateDir: string, leaf: KeyTypeName): Promise<Ca> {
  const ca = new Ca({
    stateDir,
    config: resolveCa(caSchema.parse({ keys: { leaf } }), stateDir),
    keys: new SecretStore({
      stateDir,
      config: { passphraseFile: undefined, recipients: undefined, identityFile: undefined },
      maxBytes: 65_536,
      directory: "ca/keys",
    }),
    passphrase: async () => new Secret("bench"),
    log: silentLog,
  })
  await ca.init(signal)
  return ca
}

async function issue(ca: Ca, name: string): Promise<void> {
  await ca.issue(name, { dns: [`${name}.lan`], ip: [], email: [], client: false }, {}, signal)
}

/** New key, request, certificate, as a script does it. */
function byOpenssl(type: "p256" | "rsa2048", count: number): void {
  const key = type === "p256" ? "ec -pkeyopt ec_paramgen_curve:P-256" : "rsa:2048"
  const script = `
set -e
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT
openssl req -x509 -newkey ${key} -nodes -keyout ca.key -out ca.crt -subj /CN=bench 2>/dev/null
for i in $(seq ${count}); do
  openssl req -new -newkey ${key} -nodes -keyout www.key -out www.csr -subj /CN=www -addext subjectAltName=DNS:www-$i.lan 2>/dev/null
  openssl x509 -req -in www.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 90 -copy_extensions copy -out www-$i.crt 2>/dev/null
done`
  const { status } = spawnSync("sh", ["-c", script])
  if (status !== 0) throw new Error(`openssl ended with ${status}`)
}

const authority = promisify(generateKeyPair)("ec", { namedCurve: "P-256" })

async function bare(type: "p256" | "rsa2048"): Promise<void> {
  const generate = promisify(generateKeyPair)
  const { privateKey } =
    type === "p256"
      ? await generate("ec", { namedCurve: "P-256" })
      : await generate("rsa", { modulusLength: 2048 })
  const by = (await authority).privateKey
  const profile: Profile = {
    kind: "root",
    subject: "bench",
    publicKey: createPublicKey(privateKey),
    serial: newSerial(),
    notBefore: new Date(),
    notAfter: new Date(Date.now() + 90 * 86_400_000),
  }
  signCertificate(profile, by)
}
