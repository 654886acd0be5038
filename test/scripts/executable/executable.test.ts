import assert from "node:assert/strict"
import { once } from "node:events"
import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { mkdir, readFile, stat, writeFile } from "node:fs/promises"
import { join, resolve } from "node:path"
import { text } from "node:stream/consumers"
import { after, suite, test, type TestContext } from "node:test"
import { version } from "../../../src/base/version.ts"
import { groups } from "../../../src/cli/commands.ts"
import { purser, type RunResult } from "../../cli/purser.ts"
import { shellImage } from "../../support/base-image.ts"
import { cleanUp, docker, labels, run as runName, startContainer } from "../../support/docker.ts"
import { createMarker } from "../../support/leaks.ts"
import { executable, onArm64, requireService } from "../../support/services.ts"
import { tempDir } from "../../support/temp.ts"

after(cleanUp)

const ours = executable(process.arch)
const root = resolve(import.meta.dirname, "../../..")

interface Place {
  readonly directory: string
  /** Runs the executable here to a good end; resolves with what it printed. */
  readonly exe: (args: readonly string[], input?: string) => Promise<string>
  readonly tryExe: (args: readonly string[], env?: NodeJS.ProcessEnv) => Promise<RunResult>
}

/** A directory with a state of its own, or null where the executable was not built. */
async function place(t: TestContext, program: readonly [string, ...string[]] = [ours]): Promise<Place> {
  const directory = await tempDir(t)
  const settings = { cwd: directory, program, env: { PURSER_STATE: join(directory, "state") } }
  return {
    directory,
    exe: async (args, input = "") => {
      const { code, stdout, stderr } = await purser(args, { ...settings, input })
      assert.equal(code, 0, `${args.join(" ")}: ${stderr}`)
      return stdout
    },
    tryExe: (args, env = {}) => purser(args, { ...settings, env: { ...settings.env, ...env } }),
  }
}

suite("the executable", () => {
  test("prints the version, and of every command the same help as the source", async (t) => {
    if (!(await requireService(t, "executable"))) return
    const { exe } = await place(t)
    assert.equal(await exe(["--version"]), `${version}\n`)
    for (const { name } of groups.flatMap(({ commands }) => commands)) {
      const { stdout } = await purser([name, "--help"])
      assert.equal(await exe([name, "--help"]), stdout, name)
    }
  })

  test("keeps secrets", async (t) => {
    if (!(await requireService(t, "executable"))) return
    const { exe } = await place(t)
    const marker = createMarker()
    await exe(["secret", "set", "db-password"], marker)
    assert.match(await exe(["secret", "ls"]), /^NAME .*\ndb-password /)
    assert.equal(await exe(["secret", "get", "db-password"]), marker)
  })

  test("makes certificates", async (t) => {
    if (!(await requireService(t, "executable"))) return
    const { exe, directory } = await place(t)
    await writeFile(join(directory, "root-pass"), "a passphrase of the test's", { mode: 0o600 })
    const passphrase = ["--passphrase-file", "root-pass"]
    await exe(["ca", "init", "--root-passphrase-file", "root-pass", ...passphrase])
    assert.match(
      await exe(["ca", "issue", "www", "--dns", "shop.lan", ...passphrase]),
      /^www: issued, valid until /,
    )
    assert.match(await exe(["ca", "show", "www"]), /shop\.lan/)
  })

  test("fills a directory, says what it did, and looks after it", async (t) => {
    if (!(await requireService(t, "executable"))) return
    const { exe, tryExe, directory } = await place(t)
    const marker = createMarker()
    await exe(["secret", "set", "db-password"], marker)
    assert.match(await exe(["enrol", "web"]), /^purser1\.web\./)
    const files = join(directory, "files")
    await mkdir(files)
    await exe(["agent", "--app", "web", "--secret", "db-password", "--directory", files, "--once"])
    assert.equal(await readFile(join(files, "db-password"), "utf8"), marker)
    assert.match(await exe(["audit", "verify"]), /\d/)
    await writeFile(
      join(directory, "purser.yaml"),
      "secrets: { db-password: store }\napps: { web: { secrets: [db-password] } }\n",
    )
    await exe(["check"])
    assert.equal(typeof JSON.parse(await exe(["config", "schema"])), "object")
    assert.match(await exe(["nodes", "ls", "--json"]), /^$/)
    assert.notEqual((await tryExe(["health"])).code, 0, "no node runs here")
  })

  test("is a node", async (t) => {
    if (!(await requireService(t, "executable"))) return
    const { exe, directory } = await place(t)
    const enrolment = (await exe(["enrol", "web"])).trim()
    const argv = ["node", "--listen", "127.0.0.1:0", "--directory", join(directory, "files")]
    const node = spawn(ours, argv, { env: { PURSER_ENROL: enrolment }, stdio: ["ignore", "ignore", "pipe"] })
    t.after(() => node.kill("SIGKILL"))
    for await (const chunk of node.stderr.iterator({ destroyOnReturn: false }))
      if (String(chunk).includes("listening on")) break
    node.stderr.resume()
    node.kill("SIGTERM")
    const [code] = (await once(node, "exit")) as [number]
    assert.equal(code, 0)
  })

  test("copies into a container, starts one with its secret, and looks at the engine", async (t) => {
    if (!(await requireService(t, "executable", "docker", "root", "busybox"))) return
    const { exe, tryExe } = await place(t)
    const marker = createMarker()
    const name = `${runName}-executable`
    await startContainer(
      t,
      await shellImage(),
      ["sleep", "300"],
      ["--init", `--name=${name}`, "--tmpfs=/run/secrets"],
    )
    assert.match(
      await exe(["cp", "--route", "proc", "-", `${name}:/run/secrets/one`], marker),
      / proc +1 written\n/,
    )
    assert.equal(await docker(["exec", name, "cat", "/run/secrets/one"]), marker)
    await exe(["secret", "set", "one"], marker)
    const options = ["--rm", "--network=none", ...labels, await shellImage(), "wc", "-c", "/run/secrets/one"]
    assert.match(await exe(["run", "-s", "one", "--", ...options]), new RegExp(`^${marker.length} `))
    const { stdout, stderr } = await tryExe(["doctor", "--json"])
    assert.equal(stderr, "")
    for (const line of stdout.split("\n").filter(Boolean)) JSON.parse(line)
  })

  test("plays the demo", async (t) => {
    if (!(await requireService(t, "executable"))) return
    const child = spawn(process.execPath, [join(root, "scripts/demo.ts")], {
      env: { ...process.env, PURSER_DEMO_ENTRY: ours },
      stdio: ["ignore", "pipe", "inherit"],
    })
    const [stdout, [code]] = await Promise.all([
      text(child.stdout),
      once(child, "close") as Promise<[number]>,
    ])
    assert.equal(code, 0, stdout)
    assert.match(stdout, /All of it happened/)
  })

  test("loads no code that the environment or an option names", async (t) => {
    if (!(await requireService(t, "executable"))) return
    const { tryExe, directory } = await place(t)
    const [code, trace] = [join(directory, "code.cjs"), join(directory, "trace")]
    await writeFile(code, `require("node:fs").writeFileSync(${JSON.stringify(trace)}, "")`)
    const env = { NODE_OPTIONS: `--require=${code}` }
    // The same makes a trace where it is read: in Node itself.
    await purser(["--version"], { env })
    assert.ok(existsSync(trace))
    await writeFile(trace, "before")
    assert.equal((await tryExe(["--version"], env)).stdout, `${version}\n`)
    assert.equal((await tryExe([`--require=${code}`, "secret", "ls"])).code, 2)
    assert.equal(await readFile(trace, "utf8"), "before")
  })

  test("leaves nothing beside itself: it needs no cache", async (t) => {
    if (!(await requireService(t, "executable"))) return
    const { tryExe, directory } = await place(t)
    const home = join(directory, "home")
    await mkdir(home)
    await tryExe(["secret", "ls"], { HOME: home, XDG_CACHE_HOME: "", TMPDIR: home })
    assert.equal((await stat(home)).nlink, 2)
  })
})

suite("the executable for arm64", () => {
  test("keeps secrets and fills a directory", async (t) => {
    if (!(await requireService(t, "executable", "arm64"))) return
    const { exe, directory } = await place(t, [...onArm64, executable("arm64")])
    const marker = createMarker()
    assert.equal(await exe(["--version"]), `${version}\n`)
    await exe(["secret", "set", "one"], marker)
    assert.match(await exe(["secret", "ls"]), /\none /)
    const files = join(directory, "files")
    await mkdir(files)
    await exe(["agent", "--app", "web", "--secret", "one", "--directory", files, "--once"])
    assert.equal(await readFile(join(files, "one"), "utf8"), marker)
  })
})
