import assert from "node:assert/strict"
import { execFileSync, spawn } from "node:child_process"
import { constants } from "node:fs"
import { chmod, mkdir, open, symlink, writeFile } from "node:fs/promises"
import { createServer } from "node:net"
import { once } from "node:events"
import { join } from "node:path"
import { test } from "node:test"
import { createIdentity } from "../../src/channel/identity.ts"
import { accessFindings, clockFindings, socketFindings, swapFindings } from "../../src/doctor/checks/host.ts"
import { hostFileFindings } from "../../src/doctor/checks/host-files.ts"
import { historyFindings } from "../../src/doctor/image.ts"
import { isAtLeast } from "../../src/doctor/finding.ts"
import type { Engine } from "../../src/docker/engine.ts"
import type { EngineInfo } from "../../src/docker/info.ts"
import { requireService } from "../support/services.ts"
import { tempDir } from "../support/temp.ts"

const rulesOf = (found: readonly { rule: string; level: string }[]) =>
  found.map(({ rule, level }) => `${level} ${rule}`)

test("a key that others can read is an error, and a key that they cannot read has no finding", async (t) => {
  const directory = await tempDir(t)
  await chmod(directory, 0o755)
  const file = join(directory, "server.key")
  await writeFile(file, createIdentity().keyPem)
  await chmod(file, 0o644)
  assert.deepEqual(rulesOf(await hostFileFindings(directory)), ["error readable-key"])
  assert.deepEqual(rulesOf(await hostFileFindings(file)), ["error readable-key"])
  await chmod(directory, 0o700)
  assert.deepEqual(rulesOf(await hostFileFindings(directory)), ["note readable-key"], "the way is closed")
  await chmod(file, 0o640)
  assert.deepEqual(await hostFileFindings(directory), [])
  assert.deepEqual(await hostFileFindings(join(directory, "not-there")), [])
})

test("keys are found in subdirectories, and through a link to a file", async (t) => {
  const directory = await tempDir(t)
  await chmod(directory, 0o755)
  await mkdir(join(directory, "archive/www"), { recursive: true })
  await mkdir(join(directory, "live/www"), { recursive: true })
  const file = join(directory, "archive/www/privkey1.pem")
  await writeFile(file, createIdentity().keyPem)
  await chmod(file, 0o644)
  await symlink("../../archive/www/privkey1.pem", join(directory, "live/www/privkey.pem"))
  assert.deepEqual(rulesOf(await hostFileFindings(directory)), ["error readable-key", "error readable-key"])
})

test("links to directories, loops and FIFOs from a container are neither followed nor opened", async (t) => {
  if (!(await requireService(t, "linux"))) return
  const directory = await tempDir(t)
  await symlink("..", join(directory, "tls"))
  await symlink("loop.pem", join(directory, "loop.pem"))
  const fifo = join(directory, "fifo.key")
  execFileSync("mkfifo", [fifo])
  await symlink("fifo.key", join(directory, "link.key"))
  // The writer blocks until another process opens the FIFO for reading, however briefly.
  const writer = spawn("sh", ["-c", 'echo ready; : > "$1"', "sh", fifo], {
    stdio: ["ignore", "pipe", "ignore"],
  })
  t.after(() => writer.kill("SIGKILL"))
  const ended = once(writer, "close")
  await once(writer.stdout, "data")
  for (let turn = 0; turn < 20; turn++) assert.deepEqual(await hostFileFindings(directory), [])
  assert.equal(writer.exitCode, null)
  await using reader = await open(fifo, constants.O_RDONLY | constants.O_NONBLOCK)
  await ended
  assert.ok(reader.fd > 0 && writer.exitCode === 0)
})

test("certificates are reported when they have expired or soon will", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const directory = await tempDir(t)
  const file = join(directory, "tls.crt")
  const argv = [
    "req",
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-nodes",
    "-days",
    "60",
  ]
  execFileSync("openssl", [...argv, "-subj", "/CN=x", "-keyout", join(directory, "k"), "-out", file], {
    stdio: "ignore",
  })
  const inDays = (days: number): Date => new Date(Date.now() + days * 86_400_000)
  assert.deepEqual(await hostFileFindings(directory, inDays(0)), [])
  assert.deepEqual(rulesOf(await hostFileFindings(directory, inDays(40))), ["warning certificate"])
  assert.deepEqual(rulesOf(await hostFileFindings(directory, inDays(61))), ["error certificate"])
  await writeFile(file, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
  assert.deepEqual(await hostFileFindings(directory, inDays(61)), [])
})

test("TCP without encryption and a socket writable for all are errors", async (t) => {
  const engine = (transport: Engine["transport"], address: string) => ({ transport, address }) as Engine
  const info = { warnings: [] as string[] } as unknown as EngineInfo
  assert.deepEqual(rulesOf(accessFindings(engine("tcp", "tcp://host:2375"), info)), ["error plain-tcp"])
  assert.deepEqual(accessFindings(engine("tls", "tcp://host:2376"), info), [])
  const warned = {
    ...info,
    warnings: ["WARNING: API is accessible on http://0.0.0.0:2375 without encryption."],
  }
  assert.deepEqual(rulesOf(accessFindings(engine("unix", "unix:///x"), warned)), ["error plain-tcp"])
  const socket = join(await tempDir(t), "engine.sock")
  const server = createServer().listen(socket)
  await once(server, "listening")
  t.after(() => server.close())
  await chmod(socket, 0o660)
  assert.deepEqual(await socketFindings(engine("unix", `unix://${socket}`)), [])
  await chmod(socket, 0o666)
  assert.deepEqual(rulesOf(await socketFindings(engine("unix", `unix://${socket}`))), ["error open-socket"])
})

test("clocks that differ are reported, and the duration of the request does not count", () => {
  const at = (ms: number) => ({ systemTime: new Date(ms).toISOString() })
  const asked = { askedAt: 1_000_000, answeredAt: 1_010_000 }
  for (const ms of [1_000_000, 1_005_000, 1_010_000, 1_014_000, 996_000])
    assert.deepEqual(clockFindings(at(ms), asked), [], String(ms))
  assert.deepEqual(rulesOf(clockFindings(at(1_020_000), asked)), ["note clock"])
  assert.deepEqual(rulesOf(clockFindings(at(900_000), asked)), ["warning clock"])
  assert.deepEqual(clockFindings({ systemTime: "" }, asked), [])
})

test("swap is reported unless it is encrypted or in memory", async (t) => {
  const root = `${await tempDir(t)}/`
  await mkdir(join(root, "proc"))
  const swaps = async (...lines: string[]) => {
    await writeFile(join(root, "proc/swaps"), ["Filename Type Size Used Priority", ...lines, ""].join("\n"))
    return rulesOf(await swapFindings(root))
  }
  assert.deepEqual(await swaps(), [])
  assert.deepEqual(await swaps("/dev/zram0 partition 1 0 100"), [])
  assert.deepEqual(await swaps("/nonexistent/swap file 1 0 -2"), ["note swap"])
  const { stat } = await import("node:fs/promises")
  const file = join(root, "swapfile")
  await writeFile(file, "")
  assert.deepEqual(await swaps(`${file} file 1 0 -2`), ["note swap"])
  const { dev } = await stat(file)
  const device = join(
    root,
    `sys/dev/block/${(dev >> 8) & 0xfff}:${(dev & 0xff) | ((dev >> 12) & 0xfff00)}/dm`,
  )
  await mkdir(device, { recursive: true })
  await writeFile(join(device, "uuid"), "CRYPT-PLAIN-swap\n")
  assert.deepEqual(await swaps(`${file} file 1 0 -2`), [])
})

test("secrets given to a build are found in the image's history", () => {
  const step = (createdBy: string) => rulesOf(historyFindings([{ createdBy }]))
  assert.deepEqual(step("|1 NPM_TOKEN=hunter2 /bin/sh -c npm ci"), ["error secret-in-history"])
  assert.deepEqual(step("RUN |1 NPM_TOKEN=hunter2 /bin/sh -c npm ci # buildkit"), ["error secret-in-history"])
  assert.deepEqual(step("/bin/sh -c curl -H 'Authorization: Bearer abcdefghijklmnop' x"), [
    "error secret-in-history",
  ])
  assert.deepEqual(step("/bin/sh -c apt-get update && apt-get install -y curl"), [])
  const set = [{ createdBy: "/bin/sh -c #(nop)  ENV DB_PASSWORD=hunter2" }, { createdBy: "ENV DB_PASSWORD=" }]
  assert.deepEqual(
    historyFindings(set, new Set(["DB_PASSWORD=hunter2"])),
    [],
    "reported with the environment",
  )
  assert.match(
    historyFindings(set, new Set(["DB_PASSWORD="]))[0]?.message ?? "",
    /DB_PASSWORD.*a later step replaced/,
  )
  const several = [{ createdBy: "ENV A=1 DB_PASSWORD=hunter2 B=some words" }]
  assert.deepEqual(historyFindings(several, new Set(["A=1", "DB_PASSWORD=hunter2"])), [])
  assert.equal(historyFindings(several, new Set(["A=1"])).length, 1)
  assert.deepEqual(
    step("/bin/sh -c #(nop) COPY file:0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9 in /"),
    [],
  )
})

test("levels are ordered", () => {
  assert.ok(isAtLeast("error", "warning") && isAtLeast("note", "note") && !isAtLeast("note", "warning"))
})
