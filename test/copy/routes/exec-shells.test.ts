import assert from "node:assert/strict"
import { after, test } from "node:test"
import { sharedLibraries } from "../../../scripts/shared-libraries.ts"
import { inspectContainer } from "../../../src/docker/containers.ts"
import { purserError } from "../../files/support.ts"
import { nodeImage, shellImage, shelllessImage } from "../../support/base-image.ts"
import { cleanUp, docker, startContainer } from "../../support/docker.ts"
import { createMarker } from "../../support/leaks.ts"
import { requireService } from "../../support/services.ts"
import { copyBy, file, namesIn, openEngine, seen } from "../support.ts"

/** Tests the route by a shell in the container with shells other than busybox, and with programs that are no shell. */

after(cleanUp)

/** The text that each test's end searches for on the engine's disk. */
const [one, two] = [createMarker(), createMarker()]

const { signal } = new AbortController()
const secrets = "--tmpfs=/run/secrets:size=64k"
const copyTo = copyBy("exec")
const idle = ["sleep", "600"]
const idleNode = ["/usr/local/bin/node", "-e", "setInterval(() => {}, 1e9)"]

test("the programs that an image lacks are named", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  const engine = await openEngine(t)
  const bare = await startContainer(t, await shelllessImage(), idleNode, [secrets])
  const files = [file("/run/secrets/a", one)]
  await assert.rejects(copyTo(engine, bare, files), purserError("ERR_ROUTE", /exec cannot .* no sh in it/))
  // Busybox's shell has its programs built in.
  const mounts = await fromHere(new Map([["sh", "dash"]]))
  const id = await startContainer(t, await nodeImage(), idle, [secrets, ...mounts])
  await docker(["exec", id, "rm", "/bin/sha256sum", "/bin/head"])
  await assert.rejects(copyTo(engine, id, files), purserError("ERR_ROUTE", /there is no head in it/))
  await docker(["exec", id, "ln", "-s", "busybox", "/bin/head"])
  const message = /there is no sha256sum, openssl and shasum in it/
  await assert.rejects(copyTo(engine, id, files), purserError("ERR_ROUTE", message))
  const shasum = "printf '#!/bin/sh\\nexec busybox sha256sum\\n' >/bin/shasum; chmod 755 /bin/shasum"
  await docker(["exec", id, "sh", "-c", shasum])
  assert.deepEqual((await copyTo(engine, id, files)).written, ["/run/secrets/a"])
})

test("a program that only claims to be a shell is not trusted, nor waited for endlessly", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  const engine = await openEngine(t)
  const id = await startContainer(t, await shellImage(), idle, [secrets])
  const greeting = "echo purser 0 0"
  for (const [program, code, message] of [
    ["exit 3", "ERR_TARGET", /ended with exit code 3 before it was done/],
    [`${greeting}; echo "at tmpfs none - - - no"`, "ERR_TARGET", /ended with exit code 0 before it was done/],
    [`${greeting}; echo at`, "ERR_DISK", /would lie on a disk/],
    [`${greeting}; printf "at tmpfs \\033[31m\\n"`, "ERR_TARGET", /a \\x1b\[31m is there/],
    [`${greeting}; echo rubbish`, "ERR_PROTOCOL", /gave an unexpected answer/],
    [`${greeting}; echo no such 7`, "ERR_TARGET", /cannot write \/run\/secrets\/a: such failed/],
    ["echo purser x y", "ERR_TARGET", /ended with exit code 0/],
    [`${greeting}; yes`, "ERR_PROTOCOL", /gave an unexpected answer/],
    [`${greeting}; yes | tr -d "\\n"`, "ERR_LIMIT", /wrote more than 1048576 bytes/],
    ["sleep 1000", "ERR_TIMEOUT", /longer than 1500 ms/],
  ] as const) {
    const write = `cat >/usr/local/bin/sh; chmod 755 /usr/local/bin/sh`
    await docker(["exec", "--interactive", id, "/bin/sh", "-c", write], { input: `#!/bin/sh\n${program}\n` })
    const copying = copyTo(engine, id, [file("/run/secrets/a", one)], { timeoutMs: 1500 })
    await assert.rejects(copying, purserError(code, message), program)
  }
})

for (const [shell, checksum] of [
  ["dash", "sha256sum"],
  ["bash", "openssl"],
] as const)
  test(`works with ${shell}, GNU's programs and ${checksum}`, async (t) => {
    if (!(await requireService(t, "linux", "root", "docker"))) return
    const engine = await openEngine(t)
    const programs = ["cat", "chmod", "chown", "head", "ls", "mkdir", "mv", "rm", checksum]
    const image = await nodeImage()
    const mounts = await fromHere(new Map([["sh", shell], ...programs.map((name) => [name, name] as const)]))
    const id = await startContainer(t, image, idle, [secrets, ...mounts])
    const container = await inspectContainer(engine, id, signal)
    const prepare = "mkdir /run/secrets/d; rm /bin/sha256sum; sh --version || true"
    await docker(["exec", id, "sh", "-c", prepare])
    const files = [
      file("/run/secrets/one", one),
      file("/run/secrets/new\n$(id)/a 'b\"", two, { owner: "db", mode: 0o550 }),
      file("/run/secrets/-e", ""),
    ]
    assert.equal((await copyTo(engine, id, files)).written.length, 3)
    for (const { path, content } of files)
      assert.equal((await seen(container, path)).content, content.revealText())
    assert.equal((await seen(container, files[1]?.path ?? "")).owner, "999:999")
    assert.equal((await copyTo(engine, id, files)).unchanged.length, 3)
    const before = await namesIn(container, "/run/secrets")
    for (const [path, message] of [
      ["/run/secrets/x/y", /no space is left/],
      ["/proc/acpi/x", /cannot write \/proc\/acpi\/x: /],
      ["/run/secrets/d", /a directory is there/],
    ] as const) {
      const large = [file("/run/secrets/-e", "new"), file(path, "x".repeat(70_000))]
      await assert.rejects(copyTo(engine, id, large), purserError("ERR_TARGET", message))
      assert.deepEqual(await namesIn(container, "/run/secrets"), before)
    }
  })

/** Programs of this machine and their libraries, mounted at the front of the search path. */
async function fromHere(programs: ReadonlyMap<string, string>): Promise<string[]> {
  const mounts = new Map<string, string>()
  for (const [name, program] of programs) {
    mounts.set(`/usr/local/bin/${name}`, `/usr/bin/${program}`)
    for (const [path, here] of await sharedLibraries(`/usr/bin/${program}`)) mounts.set(path, here)
  }
  return [...mounts].map(([path, here]) => `--volume=${here}:${path}:ro`)
}
