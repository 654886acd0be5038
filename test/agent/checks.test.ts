import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { after, test } from "node:test"
import { parseCheck } from "../../src/rollout/check.ts"
import { parseReload } from "../../src/rollout/reload.ts"
import { nodeImage } from "../support/base-image.ts"
import { cleanUp, docker, startContainer } from "../support/docker.ts"
import { appConfig, home, startTestNode, type TestCatalogue } from "../support/pair.ts"
import { requireService } from "../support/services.ts"
import { tempDir } from "../support/temp.ts"
import { tlsFiles, type TlsFiles } from "../support/tls-files.ts"
import { waitFor } from "../support/wait.ts"
import { connect, imageId, labelled, rule, tmpfs } from "./targets/container/support.ts"
import { freePort } from "../support/free-port.ts"

/** What is not served after a delivery is put back, and written down. */

after(cleanUp)

const fixture = join(import.meta.dirname, "../fixtures/tls-server.mjs")
const secrets = ["tls.crt", "tls.key"]
const contents = ({ certificate, key }: TlsFiles) => ({ "tls.crt": certificate, "tls.key": key })

function give(catalogue: TestCatalogue, files: TlsFiles): void {
  for (const [name, content] of Object.entries(contents(files))) catalogue.set(name, content)
}

test("a directory: put back, held back, audited, and delivered when the content is right", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const [old, fresh] = [await tlsFiles(t), await tlsFiles(t)]
  const directory = await tempDir(t)
  const pidFile = join(await tempDir(t), "pid")
  const place = await home(t)
  const port = await freePort()
  const agent = await place.agent({
    secrets: contents(old),
    app: {
      directory,
      secrets,
      reload: parseReload(`exec:kill -HUP $(cat ${pidFile})`),
      check: parseCheck(`:${port} within=5s`),
    },
  })
  assert.deepEqual(
    (await agent.round()).map(({ status }) => status),
    ["ok"],
  )
  const child = spawn(
    "sh",
    ["-c", `echo $$ >${pidFile}; exec "$0" "$@"`, process.execPath, fixture, directory, String(port)],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  )
  t.after(() => child.kill("SIGKILL"))
  await once(child.stdout, "data")

  give(agent.catalogue, { certificate: fresh.certificate, key: old.key })
  const [failed] = await agent.round()
  assert.deepEqual([failed?.status, failed?.error?.code], ["failed", "ERR_CHECK"])
  assert.equal(await readFile(join(directory, "tls.crt"), "utf8"), old.certificate)
  const [again] = await agent.round()
  assert.match(again?.error?.message ?? "", /held back since/)
  const lines = (await place.audit()).filter(({ kind }) => kind === "rolled-back")
  assert.deepEqual(
    lines.map(({ app, directory: where, files }) => [app, where, files]),
    [["web", directory, "tls.crt"]],
  )

  give(agent.catalogue, fresh)
  const [good] = await agent.round()
  assert.equal(good?.status, "ok")
  assert.equal(await readFile(join(directory, "tls.crt"), "utf8"), fresh.certificate)
})

test("a node: put back, and its agent's audit log has a failed session", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const [old, fresh] = [await tlsFiles(t), await tlsFiles(t)]
  const place = await home(t)
  const port = await freePort()
  const node = await startTestNode(t, await place.enrol(), {
    check: `:${port} within=2s`,
    reload: "exec:true",
  })
  const agent = await place.agent({ secrets: contents(old), nodes: [node.address], app: { secrets } })
  assert.deepEqual(
    (await agent.round()).map(({ status }) => status),
    ["ok"],
  )
  const child = spawn(process.execPath, [fixture, node.directory, String(port), "deaf"], {
    stdio: ["ignore", "pipe", "inherit"],
  })
  t.after(() => child.kill("SIGKILL"))
  await once(child.stdout, "data")
  give(agent.catalogue, fresh)
  const [failed] = await agent.round()
  assert.match(failed?.error?.message ?? "", /is not served after 2000 ms.*the old files are back and served/)
  assert.equal(await node.read("tls.crt"), old.certificate)
  const sessions = (await place.audit()).filter(({ kind }) => kind === "session")
  assert.deepEqual(
    sessions.map(({ status }) => status),
    ["ok", "failed"],
  )
})

test("a container: put back by its label's check, and audited", async (t) => {
  if (!(await requireService(t, "docker", "root", "openssl"))) return
  const [old, fresh] = [await tlsFiles(t), await tlsFiles(t)]
  const place = await home(t)
  const image = await nodeImage()
  const web = appConfig("web-checks", { containers: rule({ images: [await imageId(image)] }), secrets })
  const agent = await place.agent({
    secrets: contents(old),
    apps: { "web-checks": web },
    plan: { connectEngine: connect() },
  })
  const wait = `until [ -s /run/secrets/tls.key ]; do sleep 0.05; done; exec node --input-type=module -e "$PROGRAM" x /run/secrets 8443`
  const labels = { "purser.app": "web-checks", "purser.reload": "HUP", "purser.check": ":8443 within=5s" }
  const id = await startContainer(
    t,
    image,
    ["sh", "-c", wait],
    [tmpfs, `--env=PROGRAM=${await readFile(fixture, "utf8")}`, ...labelled(labels)],
  )
  assert.deepEqual(
    (await agent.round()).map(({ status }) => status),
    ["ok"],
  )
  await waitFor("the server", async () => (await docker(["logs", id])).includes("8443"))

  give(agent.catalogue, { certificate: fresh.certificate, key: old.key })
  const [failed] = await agent.round()
  assert.match(failed?.error?.message ?? "", /the old files are back and served/)
  assert.equal(await docker(["exec", id, "cat", "/run/secrets/tls.crt"]), old.certificate.trim())
  const lines = (await place.audit()).filter(({ kind }) => kind === "rolled-back")
  assert.deepEqual(
    lines.map(({ app, container }) => [app, container]),
    [["web-checks", id]],
  )
  const [again] = await agent.round()
  assert.match(again?.error?.message ?? "", /held back since/)

  give(agent.catalogue, fresh)
  const [good] = await agent.round()
  assert.deepEqual([good?.status, good?.error?.message], ["ok", undefined])
  assert.equal(await docker(["exec", id, "cat", "/run/secrets/tls.crt"]), fresh.certificate.trim())
})
