import assert from "node:assert/strict"
import { test } from "node:test"
import { checkServed, localHosts } from "../../src/rollout/check-served.ts"
import { parseCheck } from "../../src/rollout/check.ts"
import { leafIn } from "../../src/rollout/leaf.ts"
import { purserError } from "../files/support.ts"
import { freePort } from "../support/free-port.ts"
import { tlsFiles } from "../support/tls-files.ts"
import { directoryWith, serve } from "./support.ts"

const signal = new AbortController().signal

test("a check waits for a server that comes late, and names what it found when it does not", async (t) => {
  const files = await tlsFiles(t)
  const port = await freePort()
  const expected = leafIn(Buffer.from(files.certificate)) ?? { sha256: "" }
  await assert.rejects(
    checkServed(parseCheck(`127.0.0.1:${port} within=300ms`), expected, [], signal),
    purserError("ERR_CHECK", new RegExp(`127\\.0\\.0\\.1:${port} failed \\(ECONNREFUSED\\)`)),
  )
  const checking = checkServed(parseCheck(`:${port} within=15s`), expected, localHosts, signal)
  await serve(t, await directoryWith(t, files), "usual", port)
  await checking
  const other = leafIn(Buffer.from((await tlsFiles(t)).certificate)) ?? { sha256: "" }
  await assert.rejects(
    checkServed(parseCheck(`127.0.0.1:${port} within=300ms`), other, [], signal),
    purserError(
      "ERR_CHECK",
      new RegExp(`${other.sha256.slice(0, 16)}.*serves sha256:${expected.sha256.slice(0, 16)}`),
    ),
  )
})

test("a check ends at once when it is cancelled", async () => {
  const stop = new AbortController()
  const checking = checkServed(parseCheck("127.0.0.1:1 within=10m"), { sha256: "0" }, [], stop.signal)
  stop.abort(new Error("stopped"))
  await assert.rejects(checking, /stopped/)
})
