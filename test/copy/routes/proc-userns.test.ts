import assert from "node:assert/strict"
import { homedir } from "node:os"
import { test } from "node:test"
import { procRoute } from "../../../src/copy/routes/proc.ts"
import { RouteUnsuitable } from "../../../src/copy/route.ts"
import { connectEngine } from "../../../src/docker/engine.ts"
import { shellImage } from "../../support/base-image.ts"
import { startSecondEngine, type SecondEngine } from "../../support/second-engine.ts"
import { requireService } from "../../support/services.ts"
import { file, namesIn, seen, taskFor } from "../support.ts"

/** Only the second engine sees these users, in its mount namespace. */
const prepare = `
printf '%s\\n' nobody:200000:65536 nogroup:200000:65536 >"$1/ids"
for file in /etc/subuid /etc/subgid; do mount --bind "$1/ids" $file || exit; done`

test("a container with a user namespace of its own is left to other routes, one without is served", async (t) => {
  if (!(await requireService(t, "linux", "root", "docker"))) return
  const image = await shellImage()
  let second: SecondEngine
  try {
    second = await startSecondEngine(t, { prepare, flags: ["--userns-remap=nobody:nogroup"] })
  } catch (error) {
    return t.skip(error instanceof Error ? error.message : String(error))
  }
  const { signal } = new AbortController()
  await using engine = await connectEngine({ host: second.host, env: {}, home: homedir(), signal })
  await second.load(image)
  const start = (...options: string[]): Promise<string> =>
    second.start(image, ["sleep", "600"], ["--tmpfs=/run/secrets", ...options])
  const files = [file("/run/secrets/a", "one")]
  const mapped = await taskFor(engine, await start(), files)
  assert.equal(await procRoute.whyNot(mapped), "it has a user namespace of its own")
  await assert.rejects(procRoute.copy(mapped), (error) => {
    return error instanceof RouteUnsuitable && error.message === "it has a user namespace of its own"
  })
  assert.deepEqual(await namesIn(mapped.container, "/run/secrets"), [])

  const plain = await taskFor(engine, await start("--userns=host"), files)
  assert.equal(await procRoute.whyNot(plain), null)
  await procRoute.copy(plain)
  assert.equal((await seen(plain.container, "/run/secrets/a")).content, "one")
})
