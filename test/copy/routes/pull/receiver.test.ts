import assert from "node:assert/strict"
import { mkdtemp, readdir, readFile, rm, stat, symlink } from "node:fs/promises"
import { join } from "node:path"
import { after, test, type TestContext } from "node:test"
import { receiverScript } from "../../../../src/copy/routes/pull/receiver.ts"
import { PullServer } from "../../../../src/copy/routes/pull/server.ts"
import { inspectContainer } from "../../../../src/docker/containers.ts"
import { imageWith, opensslImage } from "../../../support/base-image.ts"
import { cleanUp, docker, startContainer } from "../../../support/docker.ts"
import { assertNoLeaks, createMarker } from "../../../support/leaks.ts"
import { requireService } from "../../../support/services.ts"
import { namesIn, openEngine } from "../../support.ts"
import { flipped, ordered, serveAlways, tell } from "../pull-support.ts"

/** Tests the receiver by itself: in each shell, with modified bodies, and under observation. */

after(cleanUp)

const { signal } = new AbortController()
const shells = [["dash"], ["bash"], ["bash", "--posix"], ["busybox", "sh"]]

/** A directory in memory, because the receiver is told to refuse a disk. */
async function memoryDir(t: TestContext): Promise<string> {
  const dir = await mkdtemp("/dev/shm/purser-test-")
  t.after(() => rm(dir, { recursive: true, force: true }))
  return dir
}

for (const shell of shells) {
  test(`${shell.join(" ")}: a signed body arrives, and a modified one leaves nothing`, async (t) => {
    if (!(await requireService(t, "linux", "openssl", "busybox"))) return
    const dir = await memoryDir(t)
    const path = join(dir, "sub/a file")
    const command = [...shell, "-c", receiverScript]
    const { body, line, publicKey } = await ordered(path, "content")

    const cut = body.subarray(0, body.length - 1)
    const more = Buffer.concat([body, Buffer.of(0)])
    for (const wrong of [
      flipped(body),
      cut,
      more,
      body.subarray(0, 1),
      Buffer.alloc(0),
      Buffer.alloc(99, 255),
    ]) {
      const url = await serveAlways(t, "127.0.0.1", wrong)
      const { code, stdout } = await tell(command, [line(url), "commit"])
      assert.deepEqual([code, stdout], [1, "no verify 1\n"])
    }
    const url = await serveAlways(t, "127.0.0.1", body)
    for (const [word, extra] of [
      ["verify", { mode: "444" }],
      ["verify", { path: `${path}2` }],
      ["verify", { containerId: "0".repeat(64), witness: "-" }],
      ["verify", { publicKey: (await ordered(path, "content")).publicKey }],
      ["verify", { publicKey: publicKey.slice(0, -8) }],
      ["container", { witness: "0".repeat(64) }],
    ] as const) {
      const { code, stdout } = await tell(command, [line(url, extra), "commit"])
      assert.deepEqual([code, stdout], [1, `no ${word} 1\n`])
    }
    const onDisk = await ordered(import.meta.filename + ".new", "content")
    assert.equal((await tell(command, [onDisk.line(url)])).stdout, "no disk 1\n")
    assert.deepEqual(await readdir(dir), [])

    assert.equal((await tell(command, [line(url)])).stdout, "staged 1\n")
    assert.deepEqual(await readdir(dir), [])
    const right = await tell(command, [line(url), "commit"])
    assert.deepEqual(right, { code: 0, stdout: "staged 1\nchanged\n", stderr: "" })
    assert.equal(await readFile(path, "utf8"), "content")
    assert.equal((await stat(path)).mode & 0o7777, 0o440)
    assert.deepEqual(await readdir(join(dir, "sub")), ["a file"])
  })
}

test("no file of a set changes if one fails", async (t) => {
  if (!(await requireService(t, "linux", "openssl"))) return
  const dir = await memoryDir(t)
  const [one, two] = [await ordered(join(dir, "one"), "1"), await ordered(join(dir, "two"), "2")]
  const lines = [
    one.line(await serveAlways(t, "127.0.0.1", one.body)),
    two.line(await serveAlways(t, "127.0.0.1", flipped(two.body)), { number: 2 }),
    "commit",
  ]
  const { code, stdout } = await tell(["sh", "-c", receiverScript], lines)
  assert.deepEqual([code, stdout], [1, "staged 1\nno verify 2\n"])
  assert.deepEqual(await readdir(dir), [])
})

test("missing programs are named before any download", async (t) => {
  if (!(await requireService(t, "linux"))) return
  const tools = await memoryDir(t)
  const path = 'PATH="${PATH:+$PATH:}/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"'
  assert.ok(receiverScript.includes(path))
  // Without this PATH it would find this machine's programs. Busybox's shell has most of them built in.
  const command = ["/bin/dash", "-c", receiverScript.replace(path, `PATH=${tools}`)]
  for (const name of "cat chmod chown head ls mkdir mv od openssl rm rmdir tail".split(" ")) {
    assert.deepEqual(await tell(command, []), { code: 1, stdout: `missing ${name}\n`, stderr: "" })
    await symlink("/bin/true", join(tools, name))
  }
  assert.equal((await tell(command, [])).stdout, "missing wget and curl\n")
})

test("a proxy named by the environment is not used", async (t) => {
  if (!(await requireService(t, "linux", "openssl"))) return
  const dir = await memoryDir(t)
  const { body, line } = await ordered(join(dir, "a"), "content")
  await using server = await PullServer.open("127.0.0.1", signal)
  const proxy = "http://127.0.0.1:9"
  const env = { http_proxy: proxy, HTTP_PROXY: proxy, ALL_PROXY: proxy, all_proxy: proxy }
  const { stdout } = await tell(["sh", "-c", receiverScript], [line(server.offer(body).url), "commit"], env)
  assert.equal(stdout, "staged 1\nchanged\n")
})

test("no secret is on a command line or in an environment, even if the shell exports variables", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker", "openssl"))) return
  const engine = await openEngine(t)
  const watch = (real: string): string =>
    `#!/bin/sh\ncat /proc/[0-9]*/cmdline /proc/[0-9]*/environ >>/run/secrets/seen 2>/dev/null\nexec ${real} "$@"\n`
  const files = {
    "watched/openssl": watch("/usr/local/bin/openssl"),
    "watched/wget": watch("/bin/wget"),
    "watched/chmod": watch("/bin/chmod"),
  }
  const variables = ["password", "rest", "order", "url", "key", "n", "plain"].map(
    (name) => `ENV ${name}=given`,
  )
  const image = await imageWith(await opensslImage(), "pull-watched", files, [
    "ENV PATH=/watched:/usr/local/bin:/bin",
    ...variables,
  ])
  const id = await startContainer(t, image, ["sleep", "600"], ["--init", "--tmpfs=/run/secrets"])
  const container = await inspectContainer(engine, id, signal)
  const gateway = container.networks["bridge"]?.gateway ?? ""
  const marker = createMarker()
  const { body, line, password } = await ordered("/run/secrets/a", marker, id)
  await using server = await PullServer.open(gateway, signal)
  const { url } = server.offer(body)
  const told = await tell(
    ["docker", "exec", "--interactive", id, "sh", "-c", receiverScript],
    [line(url), "commit"],
  )
  assert.equal(told.stdout, "staged 1\nchanged\n")
  assert.deepEqual(await namesIn(container, "/run/secrets"), ["a", "seen"])
  const seen = await docker(["exec", id, "cat", "/run/secrets/seen"])
  // The observer saw both calls of openssl, and the download.
  assert.match(seen, /enc\0-d\0-aes-256-ctr/)
  assert.match(seen, /dgst\0-sha256\0-verify/)
  assert.ok(seen.includes(url))
  assertNoLeaks([marker, password], [{ name: "processes", content: seen }])
})
