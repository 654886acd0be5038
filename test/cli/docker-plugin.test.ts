import assert from "node:assert/strict"
import { execFile, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdir, symlink, writeFile } from "node:fs/promises"
import { createServer } from "node:net"
import { join } from "node:path"
import { after, suite, test, type TestContext } from "node:test"
import { promisify } from "node:util"
import { version } from "../../src/base/version.ts"
import { readPluginCall } from "../../src/cli/docker-plugin.ts"
import { shellImage } from "../support/base-image.ts"
import { cleanUp, docker, run as runName, startContainer } from "../support/docker.ts"
import { createMarker } from "../support/leaks.ts"
import { executable, requireService } from "../support/services.ts"
import { tempDir } from "../support/temp.ts"
import { bin, purser } from "./purser.ts"

after(cleanUp)

const exec = promisify(execFile)

suite("docker's arguments", () => {
  test("its own flags stand before the plugin's name, and become variables", () => {
    const both = { DOCKER_CONTEXT: "far", DOCKER_HOST: undefined }
    for (const [given, words, env] of [
      [["purser", "cp", "a", "b:/c"], ["cp", "a", "b:/c"], {}],
      [["--context", "far", "purser", "cp"], ["cp"], both],
      [["--context=far", "purser", "cp"], ["cp"], both],
      [["-c", "far", "purser", "cp"], ["cp"], both],
      [["-cfar", "--debug", "-l", "warn", "purser", "cp"], ["cp"], both],
      [["-H", "unix:///s", "purser", "cp"], ["cp"], { DOCKER_HOST: "unix:///s" }],
      [["-H=unix:///s", "purser"], [], { DOCKER_HOST: "unix:///s" }],
      [["--config", "/d", "purser", "cp", "--config", "p"], ["cp", "--config", "p"], { DOCKER_CONFIG: "/d" }],
      [["--tlsverify", "purser"], [], { DOCKER_TLS_VERIFY: "1" }],
      [["--tlsverify=false", "--tls", "purser"], [], { DOCKER_TLS: "1", DOCKER_TLS_VERIFY: undefined }],
      [
        ["--tlscacert", "/k/ca.pem", "--tlscert=/k/cert.pem", "--tlskey", "/k/key.pem", "purser"],
        [],
        { DOCKER_CERT_PATH: "/k" },
      ],
    ] as const) {
      const call = readPluginCall(given)
      assert.deepEqual({ words: call.words, env: call.env }, { words, env }, given.join(" "))
    }
  })

  test("help for the plugin is help for its command", () => {
    assert.deepEqual(readPluginCall(["help", "purser"]).words, ["--help"])
    assert.deepEqual(readPluginCall(["help", "purser", "cp"]).words, ["cp", "--help"])
  })

  test("TLS files that DOCKER_CERT_PATH cannot name are refused", () => {
    assert.throws(() => readPluginCall(["--tlscacert", "/k/root.pem", "purser"]), /ERR_USAGE|--tlscacert/)
  })
})

for (const kind of ["script", "executable"] as const) {
  suite(`docker purser, by the ${kind}`, () => {
    test("is among docker's plugins", async (t) => {
      const config = await configuration(t, kind)
      if (config === null) return
      const { stdout } = await exec("docker", ["info", "--format={{json .ClientInfo.Plugins}}"], {
        env: config,
      })
      const plugins = JSON.parse(stdout) as { Name: string; Version: string; Err?: unknown }[]
      const own = plugins.find(({ Name }) => Name === "purser")
      assert.deepEqual({ version: own?.Version, error: own?.Err }, { version, error: undefined })
      assert.match(
        (await exec("docker", ["--help"], { env: config })).stdout,
        /^ +purser\* +Gets secrets into/m,
      )
    })

    test("completes", async (t) => {
      const config = await configuration(t, kind)
      if (config === null) return
      const ask = async (...words: string[]) =>
        (await exec("docker", ["__complete", "purser", ...words], { env: config })).stdout.split("\n")
      assert.ok((await ask("cp", "--route", "pu")).includes("pull"))
      assert.ok((await ask("sec")).some((line) => line.startsWith("secret\t")))
    })

    test("copies into a container, by docker's --context", async (t) => {
      const config = await configuration(t, kind)
      if (config === null) return
      const name = `${runName}-plugin-${kind}`
      const marker = createMarker()
      await startContainer(
        t,
        await shellImage(),
        ["sleep", "300"],
        ["--init", `--name=${name}`, "--tmpfs=/run/secrets"],
      )
      const socket = process.env["DOCKER_HOST"] ?? "unix:///var/run/docker.sock"
      await exec("docker", ["context", "create", "near", `--docker=host=${socket}`], { env: config })
      // The environment names no engine, so only the flag can lead to it.
      const env = { ...config, DOCKER_HOST: "unix:///nonexistent.sock" }
      const copy = (...flags: string[]) =>
        purser([...flags, "purser", "cp", "-", `${name}:/run/secrets/one`], {
          program: ["docker"],
          input: marker,
          env,
        })
      const good = await copy("--context", "near")
      assert.equal(good.code, 0, good.stderr)
      assert.equal(await docker(["exec", name, "cat", "/run/secrets/one"]), marker)
      assert.notEqual((await copy()).code, 0)
    })
  })
}

test("the command ends when docker closes its socket", async (t) => {
  const directory = await tempDir(t)
  const program = join(directory, "docker-purser")
  await symlink(bin, program)
  const address = `purser-test-${process.pid}`
  const server = createServer().listen({ path: `\0${address}` })
  t.after(() => server.close())
  const connected = once(server, "connection")
  const child = spawn(process.execPath, [program, "purser", "secret", "set", "one"], {
    env: {
      PATH: process.env["PATH"],
      DOCKER_CLI_PLUGIN_SOCKET: `@${address}`,
      PURSER_STATE: join(directory, "state"),
    },
    stdio: ["pipe", "ignore", "ignore"],
  })
  t.after(() => child.kill("SIGKILL"))
  const [socket] = (await connected) as [import("node:net").Socket]
  socket.destroy()
  const [code] = (await once(child, "exit")) as [number]
  assert.equal(code, 143)
})

/** Docker's configuration with the plugin in it, as an environment; null where something is missing. */
async function configuration(
  t: TestContext,
  kind: "script" | "executable",
): Promise<NodeJS.ProcessEnv | null> {
  if (!(await requireService(t, "linux", "docker", "busybox", ...(kind === "executable" ? [kind] : []))))
    return null
  const directory = await tempDir(t)
  await mkdir(join(directory, "cli-plugins"))
  await symlink(
    kind === "script" ? bin : executable(process.arch),
    join(directory, "cli-plugins/docker-purser"),
  )
  await writeFile(join(directory, "config.json"), "{}")
  return { ...process.env, DOCKER_CONFIG: directory, PURSER_STATE: join(directory, "state") }
}
