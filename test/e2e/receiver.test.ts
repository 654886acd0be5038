import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { readFile } from "node:fs/promises"
import { join, resolve } from "node:path"
import { test } from "node:test"
import { writeReceiver } from "../../scripts/bundle.ts"
import { home } from "../support/pair.ts"
import { Running } from "../support/processes.ts"
import { oldNode, requireService } from "../support/services.ts"
import { tempDir } from "../support/temp.ts"
import { waitFor } from "../support/wait.ts"

const fixture = resolve(import.meta.dirname, "../fixtures/child.mjs")

test("the one-file receiver takes deliveries, reloads and tells its health on the oldest Node that it promises", async (t) => {
  if (!(await requireService(t, "node22"))) return
  const place = await home(t)
  const base = await tempDir(t)
  const receiver = join(base, "purser-node.mjs")
  await writeReceiver(resolve(import.meta.dirname, "../../src/cli/node/receiver.ts"), receiver)
  const [directory, status, diary] = ["secrets", "status", "diary"].map((name) => join(base, name)) as [
    string,
    string,
    string,
  ]
  const start = (argv: readonly string[]): Running => {
    const child = spawn(oldNode(22), [receiver, ...argv], {
      cwd: base,
      env: { PATH: process.env["PATH"], PURSER_STATUS: status, PURSER_ENROL: enrolment },
    })
    t.after(() => child.kill("SIGKILL"))
    return new Running(child, argv)
  }
  const enrolment = await place.enrol()
  const node = start(
    [
      "--listen",
      "127.0.0.1:0",
      "--directory",
      directory,
      "--file",
      "db-password mode=0600",
      "--reload",
      "HUP",
    ].concat(["--", process.execPath, fixture, diary, "3"]),
  )
  const [, address = ""] = await node.wrote("stderr", /listening on ([\d.]+:\d+)/)
  assert.equal(await start(["health"]).exited, 1)
  const agent = await place.agent({ nodes: [address] })
  const [first] = await agent.round()
  assert.equal(first?.status, "ok", first?.error?.message)
  assert.equal(await readFile(join(directory, "db-password"), "utf8"), "swordfish")
  assert.equal(await start(["health"]).exited, 0)
  await waitFor("the application", async () =>
    (await readFile(diary, "utf8").catch(() => "")).includes("ready"),
  )
  agent.catalogue.set("db-password", "two")
  assert.equal((await agent.round())[0]?.status, "ok")
  await waitFor("the reload", async () => (await readFile(diary, "utf8")).includes("SIGHUP"))
  assert.equal(await node.stop(), 3)
})
