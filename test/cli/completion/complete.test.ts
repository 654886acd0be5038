import assert from "node:assert/strict"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { after, suite, test, type TestContext } from "node:test"
import { complete } from "../../../src/cli/completion/complete.ts"
import { specFor, type CommandSpec } from "../../../src/cli/completion/spec.ts"
import { shellImage } from "../../support/base-image.ts"
import { cleanUp, run as runName, startContainer } from "../../support/docker.ts"
import { requireService } from "../../support/services.ts"
import { tempDir } from "../../support/temp.ts"
import { purser } from "../purser.ts"

after(cleanUp)

/** No engine, and a state that is not ours. */
const nowhere = { DOCKER_HOST: "unix:///nonexistent.sock", PURSER_STATE: "/nonexistent" }

async function values(words: readonly string[], env: NodeJS.ProcessEnv = nowhere): Promise<string[]> {
  return (await complete(words, env)).candidates.map(({ value }) => value)
}

const directive = async (...words: string[]) => (await complete(words, nowhere)).directive

suite("commands and options", () => {
  test("are those of the help, of every command", async () => {
    const seen: string[] = []
    const walk = async (words: readonly string[], spec: CommandSpec): Promise<void> => {
      const { stdout } = await purser([...words, "--help"])
      const inHelp = [...stdout.matchAll(/^ {2}(?:-\w, )?(--[\w-]+)/gm)].map(([, option]) => option)
      const offered = (await values([...words, "--"])).filter((name) => name.startsWith("--"))
      // --version is an option of the program alone; those of node and health are read off their help.
      for (const option of inHelp) assert.ok(offered.includes(option ?? ""), `${words.join(" ")} ${option}`)
      const commands = await values([...words, ""])
      for (const { names } of spec.commands) {
        assert.ok(commands.includes(names[0] ?? ""), `${words.join(" ")} ${names[0]}`)
        seen.push([...words, names[0]].join(" "))
      }
    }
    const root = await specFor([])
    await walk([], root)
    for (const { names } of root.commands) {
      const [name = ""] = names
      const spec = (await specFor([name])).child(name)
      assert.ok(spec, name)
      if (name !== "help") await walk([name], spec)
    }
    for (const one of ["secret set", "ca deploy", "agent identity", "nodes approve", "node", "completion"])
      assert.ok(seen.includes(one), one)
  })

  test("are those that begin with what is written", async () => {
    assert.deepEqual(await values(["se"]), ["secret"])
    assert.deepEqual(await values(["secret", "g"]), ["get"])
    assert.deepEqual(await values(["enr"]), ["enrol", "enroll"])
    assert.deepEqual(await values(["help", "secret", "s"]), ["set"])
    assert.deepEqual(await values(["cp", "--req"]), ["--require-tmpfs"])
    assert.deepEqual(await values(["node", "--enrol"]), ["--enrol-file"])
    assert.deepEqual(await values(["--state", "/s", "ca", "iss"]), ["issue"])
  })

  test("an option stands once, unless it is repeatable", async () => {
    assert.deepEqual(await values(["cp", "--allow-disk", "--allow"]), [])
    assert.deepEqual(await values(["run", "--secret", "a", "--sec"]), ["--secret"])
  })

  test("behind -- stand words of another program, for which the shell offers files", async () => {
    assert.deepEqual(await values(["run", "--", "--"]), [])
    assert.equal(await directive("node", "--", "ngi"), 0)
  })
})

suite("values", () => {
  test("choices are offered, in either form of the option and as arguments", async () => {
    assert.deepEqual(await values(["cp", "--route", "p"]), ["proc", "pull"])
    assert.deepEqual(await values(["cp", "--route=p"]), ["--route=proc", "--route=pull"])
    assert.deepEqual(await values(["completion", ""]), ["bash", "zsh", "fish"])
  })

  test("files and directories are the shell's business", async () => {
    assert.equal(await directive("secret", "set", "one", "--file", ""), 0)
    assert.equal(await directive("ca", "import", "x"), 0)
    assert.equal(await directive("ca", "issue", "www", "--out", ""), 16)
    assert.equal(await directive("node", "--enrol-file", ""), 0)
    assert.equal(await directive("secret", "set", "one", "--generate", ""), 4)
  })

  test("secrets are those of the store, which stays locked", async (t) => {
    const { env, directory } = await place(t)
    await writeFile(join(directory, "pass"), "a passphrase of the test's")
    const locked = ["--passphrase-file", join(directory, "pass")]
    const set = (name: string, ...more: string[]) =>
      purser(["secret", "set", name, ...more], { env, input: "x" })
    assert.equal((await set("db-password", ...locked)).code, 0)
    assert.equal((await set("api-key", ...locked)).code, 0)
    assert.deepEqual(await values(["secret", "get", ""], env), ["api-key", "db-password"])
    assert.deepEqual(await values(["secret", "rm", "api-key", "d"], env), ["db-password"])
    assert.deepEqual(await values(["run", "-s", "d"], env), ["db-password"])
    assert.deepEqual(await values(["agent", "--secret=d"], env), ["--secret=db-password"])
    assert.deepEqual(await values(["secret", "get", "--state", env["PURSER_STATE"] ?? "", "a"], nowhere), [
      "api-key",
    ])
  })

  test("apps are those of purser.yaml, and of another file that --config names", async (t) => {
    const { env, directory } = await place(t)
    const file = join(directory, "other.yaml")
    await writeFile(
      file,
      "secrets: { a: store }\napps: { web: { secrets: [a] }, worker: { secrets: [a] } }\n",
    )
    assert.deepEqual(await values(["--config", file, "enrol", "w"], env), ["web", "worker"])
    assert.deepEqual(await values(["agent", "--config", file, "--app", "we"], env), ["web"])
  })

  test("containers are those that run, with the colon before the path", async (t) => {
    if (!(await requireService(t, "docker", "busybox"))) return
    const name = `${runName}-completion`
    await startContainer(t, await shellImage(), ["sleep", "300"], ["--init", `--name=${name}`])
    const env = { ...process.env, PURSER_STATE: "/nonexistent" }
    assert.deepEqual(await complete(["cp", "tls.key", name.slice(0, -3)], env), {
      candidates: [{ value: `${name}:`, summary: "container" }],
      directive: 2,
    })
    assert.deepEqual(await values(["doctor", "--container", name.slice(0, -3)], env), [name])
  })

  test("what cannot be looked up is not offered, and is no error", async () => {
    assert.deepEqual(await values(["cp", "x", ""]), [])
    assert.deepEqual(await values(["secret", "get", ""]), [])
    assert.deepEqual(await values(["--config", "/nonexistent.yaml", "enrol", ""]), [])
    assert.deepEqual(await values(["no-such-command", "--x", ""]), [])
  })
})

async function place(t: TestContext) {
  const directory = await tempDir(t)
  return { directory, env: { ...nowhere, PURSER_STATE: join(directory, "state") } as NodeJS.ProcessEnv }
}
