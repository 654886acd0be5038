import assert from "node:assert/strict"
import { once } from "node:events"
import { readFile, writeFile } from "node:fs/promises"
import { createServer, type RequestListener } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { test, type TestContext } from "node:test"
import fc from "fast-check"
import { rolldown } from "rolldown"
import { PurserError } from "../../src/base/errors.ts"
import { formatReload, parseReload, runLocalReload, type Reload } from "../../src/rollout/reload.ts"
import { oldNode, requireService } from "../support/services.ts"
import { tempDir } from "../support/temp.ts"
import { purserError, run } from "../files/support.ts"
import { freePort } from "../support/free-port.ts"

const numRuns = process.env["SLOW"] === undefined ? 300 : 20_000
const never = new AbortController().signal
const env = { PATH: process.env["PATH"] }

const reload: fc.Arbitrary<Reload> = fc.oneof(
  fc.constantFrom("SIGHUP", "SIGINT", "SIGTERM").map((signal) => ({ kind: "signal", signal }) as const),
  fc.constant({ kind: "restart" } as const),
  fc
    .string({ minLength: 1 })
    .map((text) => ({ kind: "exec", command: text.replaceAll("\0", "").trim() }) as const)
    .filter(({ command }) => command !== ""),
  fc.webUrl({ withQueryParameters: true }).map((url) => ({ kind: "http", url: new URL(url).href }) as const),
)

test("a formatted reload is read back unchanged", () => {
  fc.assert(
    fc.property(reload, (one) => assert.deepEqual(parseReload(formatReload(one)), one)),
    { numRuns },
  )
})

test("each kind is read, a signal with and without SIG", () => {
  assert.deepEqual(parseReload(" HUP "), { kind: "signal", signal: "SIGHUP" })
  assert.deepEqual(parseReload("SIGHUP"), { kind: "signal", signal: "SIGHUP" })
  assert.deepEqual(parseReload("restart"), { kind: "restart" })
  assert.deepEqual(parseReload("exec: nginx -s reload"), { kind: "exec", command: "nginx -s reload" })
  const http = { kind: "http", url: "http://127.0.0.1:8080/reload" }
  assert.deepEqual(parseReload("http:http://127.0.0.1:8080/reload"), http)
  assert.deepEqual(parseReload("http://127.0.0.1:8080/reload"), http)
  assert.deepEqual(parseReload("http:https://app/r"), { kind: "http", url: "https://app/r" })
})

const refused: [text: string, message: RegExp][] = [
  ["", /no such signal/],
  ["hup", /no such signal/],
  ["SIGNOTHING", /"SIGNOTHING": there is no such signal/],
  ["__proto__", /no such signal/],
  ["KILL", /no program can handle it/],
  ["SIGSTOP", /no program can handle it/],
  ["exec:", /no command/],
  ["exec:a\0b", /no command/],
  ["http:", /no valid URL/],
  ["http:localhost:8080/reload", /no valid URL/],
  ["http:ftp://host/", /no valid URL/],
  ["http:file:///etc/passwd", /no valid URL/],
  ["http://", /no valid URL/],
]
for (const [text, message] of refused) {
  test(`refuses the reload ${JSON.stringify(text)} and says why`, () => {
    assert.throws(() => parseReload(text), purserError("ERR_RELOAD_SPEC", message))
  })
}

test("a password in the URL is refused, and not shown", () => {
  assert.throws(
    () => parseReload("http:http://admin:hunter2@127.0.0.1/reload"),
    (error: unknown) => error instanceof PurserError && !error.message.includes("hunter2"),
  )
})

test("any text gives a reload or ERR_RELOAD_SPEC", () => {
  const parts = fc.constantFrom("exec:", "http:", "//", "SIG", "HUP", "\0", " ", "a", "@", "[", "restart")
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.array(parts).map((some) => some.join("")),
  )
  fc.assert(
    fc.property(text, (some) => {
      try {
        parseReload(some)
      } catch (error) {
        assert.ok(error instanceof PurserError, String(error))
      }
    }),
    { numRuns: numRuns * 3 },
  )
})

test("exec: runs the command by sh, with the given environment but without PURSER_ variables", async (t) => {
  if (!(await requireService(t, "linux"))) return
  const file = join(await tempDir(t), "env")
  const given = { ...env, FILE: file, APP: "kept", PURSER_ENROL: "purser1.web.x", PURSER_: "x" }
  await runLocalReload(
    { kind: "exec", command: 'env | sort > "$FILE" && echo done >> "$FILE"' },
    never,
    given,
  )
  const lines = (await readFile(file, "utf8")).trim().split("\n")
  assert.equal(lines.pop(), "done")
  const names = lines
    .map((line) => line.split("=")[0] ?? "")
    .filter((name) => !["PWD", "OLDPWD", "SHLVL", "_"].includes(name))
  assert.deepEqual(names, ["APP", "FILE", "PATH"])
})

test("what the command prints appears neither in our output nor in the error", async (t) => {
  if (!(await requireService(t, "linux"))) return
  const file = join(await tempDir(t), "secret")
  await writeFile(file, "correct horse battery staple")
  const module = new URL("../../src/rollout/reload.ts", import.meta.url).href
  const code = `
    import { runLocalReload } from ${JSON.stringify(module)}
    const reload = { kind: "exec", command: ${JSON.stringify(`cat ${file}; cat ${file} >&2; exit 3`)} }
    await runLocalReload(reload, new AbortController().signal, process.env).catch((error) => {
      console.log(error)
      console.error(error.message)
    })`
  const { stdout, stderr } = await run(process.execPath, ["--input-type=module", "-e", code])
  assert.match(stdout, /ended with exit code 3/)
  assert.doesNotMatch(stdout + stderr, /horse/)
})

test("a command that fails, or is ended by a signal, is an error that says how", async (t) => {
  if (!(await requireService(t, "linux"))) return
  const failing = (command: string): Promise<void> => runLocalReload({ kind: "exec", command }, never, env)
  await assert.rejects(
    failing("exit 7"),
    purserError("ERR_RELOAD", /the reload exec:exit 7 failed: .*exit code 7/),
  )
  await assert.rejects(failing("kill -TERM $$"), purserError("ERR_RELOAD", /killed by SIGTERM/))
  await assert.rejects(failing("purser-no-such-program"), purserError("ERR_RELOAD", /exit code 127/))
})

test("without a shell it is an error, not a crash", async (t) => {
  if (!(await requireService(t, "linux"))) return
  const reload = { kind: "exec", command: "true" } as const
  await assert.rejects(
    runLocalReload(reload, never, { PATH: "/nowhere" }),
    purserError("ERR_RELOAD", /ENOENT/),
  )
})

/** A command whose processes all hold a FIFO open; `ended` resolves when the last of them is gone. */
async function lingering(
  t: TestContext,
): Promise<{ reload: Reload; started: Promise<void>; ended: Promise<void> }> {
  const directory = await tempDir(t)
  const [startedFifo, heldFifo] = [join(directory, "started"), join(directory, "held")]
  await run("mkfifo", [startedFifo, heldFifo])
  const limit = { signal: AbortSignal.timeout(15_000) }
  return {
    reload: {
      kind: "exec",
      command: `exec 9>${heldFifo}; sleep 60 & (sleep 60; true) & echo > ${startedFifo}; sleep 60`,
    },
    started: readFile(startedFifo, limit).then(() => {}),
    ended: readFile(heldFifo, limit).then(() => {}),
  }
}

test(
  "a command that takes too long is ended with everything that it started",
  { timeout: 20_000 },
  async (t) => {
    if (!(await requireService(t, "linux"))) return
    const { reload: slow, started, ended } = await lingering(t)
    const running = runLocalReload(slow, never, env, 1500)
    const failed = assert.rejects(running, purserError("ERR_RELOAD", /failed: it took longer than 1500 ms/))
    await started
    await failed
    await ended
  },
)

test("a command that is aborted is ended with everything that it started", { timeout: 20_000 }, async (t) => {
  if (!(await requireService(t, "linux"))) return
  const { reload: slow, started, ended } = await lingering(t)
  const stop = new AbortController()
  const failed = assert.rejects(runLocalReload(slow, stop.signal, env), purserError("ERR_RELOAD", /abort/))
  await started
  stop.abort()
  await failed
  await ended
})

test("after an abort nothing is started", async (t) => {
  const file = join(await tempDir(t), "ran")
  await assert.rejects(
    runLocalReload({ kind: "exec", command: `touch ${file}` }, AbortSignal.abort(), env),
    purserError("ERR_RELOAD", /abort/),
  )
  await assert.rejects(readFile(file), { code: "ENOENT" })
})

async function server(t: TestContext, answer: RequestListener): Promise<string> {
  const http = createServer(answer).listen(0, "127.0.0.1")
  await once(http, "listening")
  t.after(() => {
    http.closeAllConnections()
    http.close()
  })
  return `http://127.0.0.1:${(http.address() as AddressInfo).port}`
}

test("http: is a POST to the path, and every 2xx is success", async (t) => {
  const asked: string[] = []
  const url = await server(t, ({ method, url: path }, response) => {
    asked.push(`${method} ${path}`)
    response.writeHead(asked.length === 1 ? 200 : 204).end()
  })
  await runLocalReload({ kind: "http", url: `${url}/-/reload?now=1` }, never, env)
  await runLocalReload({ kind: "http", url: `${url}/again` }, never, env)
  assert.deepEqual(asked, ["POST /-/reload?now=1", "POST /again"])
})

for (const status of [304, 404, 500]) {
  test(`an answer of ${status} is a failed reload`, async (t) => {
    const url = await server(t, (_, response) =>
      response.writeHead(status).end(status === 304 ? "" : "secret page"),
    )
    await assert.rejects(
      runLocalReload({ kind: "http", url }, never, env),
      (error: unknown) =>
        purserError("ERR_RELOAD", new RegExp(`answered with ${status}`))(error) &&
        !/page/.test(error.message),
    )
  })
}

test("a redirect is not followed, and is a failed reload", async (t) => {
  let followed = 0
  const elsewhere = await server(t, (_, response) => {
    followed++
    response.end()
  })
  const url = await server(t, (_, response) => response.writeHead(307, { location: elsewhere }).end())
  await assert.rejects(
    runLocalReload({ kind: "http", url }, never, env),
    purserError("ERR_RELOAD", /redirect/),
  )
  assert.equal(followed, 0)
})

test("a refused connection is a failed reload that says so", async () => {
  const free = await freePort()
  await assert.rejects(
    runLocalReload({ kind: "http", url: `http://127.0.0.1:${free}/` }, never, env),
    purserError("ERR_RELOAD", /ECONNREFUSED/),
  )
})

test("a server that never answers fails the reload after the time limit", { timeout: 20_000 }, async (t) => {
  const url = await server(t, () => {})
  await assert.rejects(
    runLocalReload({ kind: "http", url }, never, env, 200),
    purserError("ERR_RELOAD", /it took longer than 200 ms/),
  )
})

test("a signal or a restart fails without a command or a container", async () => {
  for (const reload of ["HUP", "restart"])
    await assert.rejects(
      runLocalReload(parseReload(reload), never, env),
      purserError("ERR_RELOAD_SPEC", new RegExp(`the reload ${reload} needs a command or a container`)),
    )
})

test("a time limit outlives garbage collection, on the oldest Node too", { timeout: 60_000 }, async (t) => {
  if (!(await requireService(t, "linux", "node22"))) return
  const file = join(await tempDir(t), "reload.mjs")
  await using build = await rolldown({
    input: join(import.meta.dirname, "../../src/rollout/reload.ts"),
    platform: "node",
    transform: { target: "node22" },
  })
  await build.write({ file, format: "esm" })
  const url = await server(t, () => {})
  const code = `
    import { runLocalReload } from ${JSON.stringify(file)}
    setInterval(gc, 20).unref()
    for (const reload of [{ kind: "exec", command: "exec sleep 20" }, { kind: "http", url: ${JSON.stringify(url)} }])
      await runLocalReload(reload, new AbortController().signal, process.env, 500).catch((e) => console.log(e.message))`
  const { stdout } = await run(oldNode(22), ["--expose-gc", "--input-type=module", "-e", code], {
    timeout: 15_000,
  })
  assert.deepEqual(stdout.match(/failed: it took longer than 500 ms/g)?.length, 2, stdout)
})
