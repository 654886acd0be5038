import assert from "node:assert/strict"
import { after, test } from "node:test"
import { isPurserError } from "../../src/base/errors.ts"
import { getArchive, putArchive } from "../../src/docker/archive.ts"
import { statusOf } from "../../src/docker/refusal.ts"
import { readTar, writeTar } from "../../src/docker/tar.ts"
import { shellImage } from "../support/base-image.ts"
import { cleanUp, docker, startContainer, tmpfsVolume } from "../support/docker.ts"
import { requireService } from "../support/services.ts"
import { openEngine, startFakeEngine } from "./support.ts"

after(cleanUp)

test("a file put into a running container's tmpfs volume is there, and can be read back", async (t) => {
  if (!(await requireService(t, "docker", "busybox"))) return
  const engine = await openEngine(t)
  const mount = `--mount=type=volume,source=${await tmpfsVolume("archive")},target=/vol`
  const id = await startContainer(t, await shellImage(), ["sleep", "600"], [mount])
  const file = { name: "a/b", content: Buffer.from("content\n"), mode: 0o640, uid: 999, gid: 1000 }
  await docker(["exec", id, "mkdir", "/vol/a"])
  await putArchive(engine, id, "/vol", writeTar([file]), t.signal)
  assert.equal(await docker(["exec", id, "stat", "-c", "%a %u %g %s", "/vol/a/b"]), "640 999 1000 8")
  assert.equal(await docker(["exec", id, "cat", "/vol/a/b"]), "content")
  const found = readTar(await getArchive(engine, id, "/vol/a/b", t.signal))
  assert.deepEqual(
    found.map(({ name, content, mode, uid, gid }) => ({ name, content, mode, uid, gid })),
    [{ ...file, name: "b" }],
  )
  const directory = readTar(await getArchive(engine, id, "/vol/a", t.signal))
  assert.deepEqual(
    directory.map(({ name, type }) => `${name} ${type}`),
    ["a/ directory", "a/b file"],
  )
})

test("a --tmpfs mount gets no file although the engine reports success, so it cannot be a route", async (t) => {
  if (!(await requireService(t, "docker", "busybox"))) return
  const engine = await openEngine(t)
  const id = await startContainer(t, await shellImage(), ["sleep", "600"], ["--tmpfs=/mem"])
  const file = { name: "a", content: Buffer.from("not a secret\n"), mode: 0o400, uid: 0, gid: 0 }
  await putArchive(engine, id, "/mem", writeTar([file]), t.signal)
  assert.equal(await docker(["exec", id, "ls", "/mem"]), "")
  const [confirmed] = readTar(await getArchive(engine, id, "/mem/a", t.signal))
  assert.equal(confirmed?.content.toString(), "not a secret\n")
})

test("a missing path, a read-only root and bytes that are not a tar are refused with a status", async (t) => {
  if (!(await requireService(t, "docker", "busybox"))) return
  const engine = await openEngine(t)
  const id = await startContainer(t, await shellImage(), ["sleep", "600"], ["--read-only"])
  const status = async (call: Promise<unknown>): Promise<number | undefined> => {
    const error: unknown = await call.then(
      () => undefined,
      (reason: unknown) => reason,
    )
    assert.ok(isPurserError(error, "ERR_DOCKER"), String(error))
    return statusOf(error)
  }
  const tar = writeTar([{ name: "a", content: Buffer.from("x"), mode: 0o400, uid: 0, gid: 0 }])
  assert.equal(await status(getArchive(engine, id, "/no/such", t.signal)), 404)
  assert.equal(await status(putArchive(engine, id, "/no/such", tar, t.signal)), 404)
  const readOnly = await status(putArchive(engine, id, "/etc", tar, t.signal))
  assert.ok(readOnly !== undefined && readOnly >= 400)
  await assert.rejects(getArchive(engine, "purser-no-such", "/", t.signal), { code: "ERR_NO_SUCH_CONTAINER" })
})

test("an endless archive is cut at the limit", async (t) => {
  const address = await startFakeEngine(t, (_, response) => {
    const part = Buffer.alloc(4 * 1024 * 1024)
    const more = (): void => void (response.destroyed || response.write(part, more))
    more()
  })
  const engine = await openEngine(t, address)
  await assert.rejects(getArchive(engine, "x", "/dev/zero", t.signal), { code: "ERR_LIMIT" })
})
