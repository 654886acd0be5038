import assert from "node:assert/strict"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { describe, it, type TestContext } from "node:test"
import { deployToContainer, type DeployOptions } from "../../src/copy/deploy.ts"
import type { RouteName } from "../../src/copy/routes.ts"
import { inspectContainer } from "../../src/docker/containers.ts"
import { parseCheck } from "../../src/rollout/check.ts"
import { FailedSets } from "../../src/rollout/failed-sets.ts"
import { silentLog } from "../../src/base/log.ts"
import { purserError } from "../files/support.ts"
import { nodeImage } from "../support/base-image.ts"
import { docker, startContainer } from "../support/docker.ts"
import { requireService } from "../support/services.ts"
import { tlsFiles, type TlsFiles } from "../support/tls-files.ts"
import { waitFor } from "../support/wait.ts"
import { file, openEngine } from "./support.ts"
import { leafIn } from "../../src/rollout/leaf.ts"
import { checkServed } from "../../src/rollout/check-served.ts"

const signal = new AbortController().signal
const fixture = join(import.meta.dirname, "../fixtures/tls-server.mjs")
const directory = "/run/secrets"

describe("a deployment that is checked", () => {
  for (const route of ["proc", "exec"] as const) {
    it(`is served from a container, or rolled back there, by ${route}`, async (t) => {
      if (!(await requireService(t, "docker", "root", "openssl"))) return
      const [old, fresh, stranger] = [await tlsFiles(t), await tlsFiles(t), await tlsFiles(t)]
      const { id, deploy, served } = await serving(t, route, old)
      await deploy(fresh)
      await served(fresh)

      const bad = { certificate: stranger.certificate, key: old.key }
      await assert.rejects(deploy(bad), purserError("ERR_CHECK", /the old files are back and served/))
      await served(fresh)
      assert.equal(await inside(id, "cat", `${directory}/tls.crt`), fresh.certificate.trim())
      assert.equal(await inside(id, "cat", `${directory}/tls.key`), fresh.key.trim())
      assert.match(await inside(id, "ls", "-ln", `${directory}/tls.key`), /^-r--------/)
      await assert.rejects(deploy(bad), purserError("ERR_CHECK", /held back since/))
    })
  }

  it("is refused before anything changes if it cannot be undone", async (t) => {
    if (!(await requireService(t, "docker", "root", "openssl"))) return
    const [old, fresh] = [await tlsFiles(t), await tlsFiles(t)]
    const { id, deploy } = await serving(t, "proc", old)
    await inside(id, "sh", "-c", `head -c 1100000 /dev/zero >${directory}/tls.key`)
    await assert.rejects(
      deploy(fresh),
      purserError("ERR_CHECK", /tls\.key"? cannot be kept: it is larger than 1 MiB/),
    )
    assert.equal(await inside(id, "cat", `${directory}/tls.crt`), old.certificate.trim())
    await assert.rejects(deploy(fresh, { reload: { kind: "restart" } }), purserError("ERR_CHECK", /restart/))
  })

  it("is refused for a container without a network", async (t) => {
    if (!(await requireService(t, "docker", "root", "openssl"))) return
    const engine = await openEngine(t)
    const id = await startContainer(
      t,
      await nodeImage(),
      ["node", "-e", "setInterval(() => {}, 1e6)"],
      ["--network=none", `--tmpfs=${directory}`],
    )
    const { certificate } = await tlsFiles(t)
    const container = await inspectContainer(engine, id, signal)
    const options = { checks: [parseCheck(":443")], requireTmpfs: true, log: silentLog, signal }
    await assert.rejects(
      deployToContainer(engine, container, [file(`${directory}/tls.crt`, certificate)], options),
      purserError("ERR_CHECK", /has no address/),
    )
  })
})

async function inside(id: string, ...command: string[]): Promise<string> {
  return (await docker(["exec", id, ...command])).trim()
}

/** Starts a container that serves these files, delivered by the first deployment. */
async function serving(t: TestContext, route: RouteName, first: TlsFiles) {
  const engine = await openEngine(t)
  const program = await readFile(fixture, "utf8")
  const wait = `until [ -s ${directory}/tls.key ]; do sleep 0.05; done; exec node --input-type=module -e "$PROGRAM" x ${directory} 8443`
  const id = await startContainer(
    t,
    await nodeImage(),
    ["sh", "-c", wait],
    [`--tmpfs=${directory}`, `--env=PROGRAM=${program}`],
  )
  const failed = { sets: new FailedSets(), target: id }
  const check = parseCheck(":8443 within=15s")
  const deploy = async (
    { certificate, key }: TlsFiles,
    extra: Partial<DeployOptions> = {},
  ): Promise<unknown> => {
    const files = [file(`${directory}/tls.crt`, certificate), file(`${directory}/tls.key`, key)]
    return await deployToContainer(engine, await inspectContainer(engine, id, signal), files, {
      route,
      reload: { kind: "signal", signal: "SIGHUP" },
      checks: [{ ...check, withinMs: 5000 }],
      failed,
      requireTmpfs: true,
      log: silentLog,
      signal,
      ...extra,
    })
  }
  const served = async ({ certificate }: TlsFiles): Promise<void> => {
    const { networks } = await inspectContainer(engine, id, signal)
    const hosts = Object.values(networks).map(({ ipAddress }) => ipAddress)
    const leaf = leafIn(Buffer.from(certificate))
    assert.ok(leaf)
    await checkServed(check, leaf, hosts, signal)
  }
  await deploy(first, { checks: [], onWritten: async () => false })
  await waitFor("the server", async () => await served(first).then(() => true))
  return { id, deploy, served }
}
