import assert from "node:assert/strict"
import { rm } from "node:fs/promises"
import { after, test, type TestContext } from "node:test"
import { Secret } from "../../src/base/secret.ts"
import { createSecretDirectory, type SecretDirectory } from "../../src/mounts/directory.ts"
import { probeMounts } from "../../src/mounts/probe.ts"
import { connectEngine } from "../../src/docker/engine.ts"
import { imageWith, shellImage } from "../support/base-image.ts"
import { cleanUp, docker, labels } from "../support/docker.ts"
import { requireService } from "../support/services.ts"
import { rootInMemory } from "./support.ts"

after(cleanUp)

const { signal } = new AbortController()
async function directoryOfOne(t: TestContext): Promise<SecretDirectory> {
  return await createSecretDirectory(
    [{ path: "/run/secrets/a", content: new Secret("x") }],
    [await rootInMemory(t)],
  )
}
const pull = (): Promise<void> => Promise.reject(new Error("nothing is pulled here"))

test("an engine that does not see our directory is detected before anything runs", async (t) => {
  if (!(await requireService(t, "docker", "root"))) return
  await using engine = await connectEngine({ env: process.env, home: "/nonexistent", signal })
  await using directory = await directoryOfOne(t)
  // An engine with another file system finds no directory there.
  for (const { source } of directory.mounts) await rm(source, { recursive: true })
  await assert.rejects(
    probeMounts(engine, { image: await shellImage(), user: undefined }, directory, { pull, signal }),
    { code: "ERR_ROUTE", message: /does not see this host's directories/ },
  )
  assert.equal(
    await docker(["ps", "--all", "--quiet", `--filter=label=purser.temporary=${directory.id}`]),
    "",
  )
})

/** In an image whose names tell apart what the rules could mix up. */
const users: [user: string | undefined, does: string][] = [
  [undefined, "the image's own, a name"],
  ["", "none: the image's own"],
  ["root", "root"],
  ["0", "root by number"],
  ["app", "a name with another primary group"],
  ["1000", "a number with a line of its own"],
  ["4711", "a number without a line"],
  ["4711:4712", "numbers"],
  ["app:staff", "names"],
  ["app:4712", "a name and a number"],
  ["4711:staff", "a number and a name"],
  [":staff", "a group only"],
  ["app:", "no group after the colon"],
  ["77", "a number that is also a name"],
  ["app:88", "a number that is also a group's name"],
  ["twice", "the first of two lines"],
  ["indented", "a line with spaces around it"],
  ["nobody-here", "an unknown name"],
  ["app:nobody-here", "an unknown group"],
]

test("the user is the engine's, whatever is asked for, and an unknown one is refused before anything runs", async (t) => {
  if (!(await requireService(t, "docker", "root"))) return
  await using engine = await connectEngine({ env: process.env, home: "/nonexistent", signal })
  await using directory = await directoryOfOne(t)
  const passwd = [
    "root:x:0:0:root:/:/bin/sh",
    "app:x:1000:1500:app:/:/bin/sh",
    "77:x:2000:2001:a number for a name:/:/bin/sh",
    "twice:x:3000:3001::/:/bin/sh",
    "twice:x:4000:4001::/:/bin/sh",
    "  indented:x:5000:5001::/:/bin/sh  ",
  ]
  const group = ["root:x:0:", "staff:x:50:app", "88:x:2088:", "app:x:1500:"]
  const image = await imageWith(
    await shellImage(),
    "probe-users",
    { "etc/passwd": `${passwd.join("\n")}\n`, "etc/group": `${group.join("\n")}\n` },
    ["USER app"],
  )
  for (const [user, does] of users) {
    const ours = await probeMounts(engine, { image, user }, directory, { pull, signal }).catch(told)
    assert.deepEqual(ours, await engineUser(image, user).catch(told), does)
  }
})

/** An unknown user or group, of ours or of the engine's. */
function told(error: unknown): string {
  assert.ok(error instanceof Error)
  const unknown = /the image has no (user|group) |unable to find (user|group) /.exec(error.message)
  assert.ok(unknown !== null, error.message)
  return `unknown ${unknown[1] ?? unknown[2]}`
}

/** The ids that a process of a container really has. */
async function engineUser(image: string, user: string | undefined): Promise<{ uid: number; gid: number }> {
  const flags = user === undefined ? [] : [`--user=${user}`]
  const status = await docker([
    "run",
    "--rm",
    "--network=none",
    ...labels,
    ...flags,
    image,
    "cat",
    "/proc/self/status",
  ])
  const [uid, gid] = ["Uid", "Gid"].map((name) =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1]),
  )
  return { uid: uid ?? Number.NaN, gid: gid ?? Number.NaN }
}
