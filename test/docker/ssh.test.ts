import assert from "node:assert/strict"
import { execFile } from "node:child_process"
import { randomBytes } from "node:crypto"
import { chmod, mkdir, readFile, realpath, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { after, test, type TestContext } from "node:test"
import { promisify } from "node:util"
import { sharedLibraries } from "../../scripts/shared-libraries.ts"
import { silentLog } from "../../src/base/log.ts"
import { Secret } from "../../src/base/secret.ts"
import { copyInto } from "../../src/copy/copy.ts"
import { inspectContainer } from "../../src/docker/containers.ts"
import { connectEngine, type Engine } from "../../src/docker/engine.ts"
import { execIn } from "../../src/docker/exec.ts"
import { followEvents } from "../../src/docker/events.ts"
import { engineInfo } from "../../src/docker/info.ts"
import { sshArguments } from "../../src/docker/ssh.ts"
import { shellImage, shelllessImage } from "../support/base-image.ts"
import { cleanUp, docker, startContainer, tmpfsVolume } from "../support/docker.ts"
import { requireService } from "../support/services.ts"
import { tempDir } from "../support/temp.ts"
import { waitFor } from "../support/wait.ts"
import { realSocket } from "./support.ts"

const run = promisify(execFile)

after(cleanUp)

async function which(command: string): Promise<string> {
  return await realpath((await run("sh", ["-c", `command -v ${command}`])).stdout.trim())
}

/** Writes the test's own `ssh` into a directory and returns the environment that finds it. */
async function withSsh(t: TestContext, script: string): Promise<NodeJS.ProcessEnv> {
  const dir = await tempDir(t)
  await writeFile(join(dir, "ssh"), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  return { ...process.env, PATH: `${dir}:${process.env["PATH"] ?? ""}` }
}

async function open(t: TestContext, host: string, env: NodeJS.ProcessEnv): Promise<Engine> {
  const engine = await connectEngine({ host, env, home: "/none", signal: t.signal })
  t.after(() => engine[Symbol.asyncDispose]())
  return engine
}

/**
 * Starts a real ssh server in a container that has the docker command and the engine's socket. Resolves with the port
 * and the environment in which ssh knows the server's key and has its own.
 */
async function startServer(t: TestContext): Promise<{ port: string; env: NodeJS.ProcessEnv; id: string }> {
  const dir = await tempDir(t)
  const [home, hostKey, key] = [join(dir, ".ssh"), join(dir, "host-key"), join(dir, "key")]
  await mkdir(home, { mode: 0o700 })
  const made = await run("dropbearkey", ["-t", "ed25519", "-f", hostKey])
  const hostPublic = /^ssh-ed25519 \S+/m.exec(made.stdout)?.[0]
  assert.ok(hostPublic !== undefined)
  await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key])
  await run("cp", [`${key}.pub`, join(home, "authorized_keys")])
  await chmod(join(home, "authorized_keys"), 0o600)

  const [dropbear, dockerCommand] = [await which("dropbear"), await which("docker")]
  const files = new Map([
    ["/bin/dropbear", dropbear],
    ["/bin/docker", dockerCommand],
    ["/host-key", hostKey],
    ["/.ssh", home],
    ["/var/run/docker.sock", realSocket],
    ...(await sharedLibraries(dropbear)),
    // Debian's docker command needs shared libraries, Docker's own is linked statically.
    ...(await sharedLibraries(dockerCommand).catch(() => [])),
  ])
  const mounts = Array.from(
    files,
    ([target, source]) => `--mount=type=bind,source=${source},target=${target}`,
  )
  const command = ["dropbear", "-F", "-E", "-s", "-r", "/host-key", "-p", "22"]
  const id = await startContainer(t, await shellImage(), command, [...mounts, "--publish=127.0.0.1::22"])
  const port = (await docker(["port", id, "22"])).split(":").at(-1) ?? ""

  await writeFile(join(dir, "known"), `[127.0.0.1]:${port} ${hostPublic}\n`)
  const config = join(dir, "config")
  await writeFile(
    config,
    [`IdentityFile ${key}`, "IdentitiesOnly yes", `UserKnownHostsFile ${join(dir, "known")}`]
      .concat(["StrictHostKeyChecking yes", "BatchMode yes"])
      .join("\n"),
  )
  return { port, id, env: await withSsh(t, `exec ${await which("ssh")} -F '${config}' "$@"`) }
}

test("calls, an exec with a half-closed stream and events work over a real ssh server, and no ssh is left", async (t) => {
  if (!(await requireService(t, "docker", "busybox", "sshd", "root"))) return
  const { port, env, id: server } = await startServer(t)
  const engine = await open(t, `ssh://root@127.0.0.1:${port}`, env)
  assert.deepEqual([engine.transport, engine.isLocal], ["ssh", false])
  const id = await startContainer(t, await shellImage(), ["sleep", "600"])
  const stdin = randomBytes(500_000)
  const options = { command: ["cat"], stdin, timeoutMs: 20_000 }
  const { exitCode, stdout } = await execIn(engine, id, options, t.signal)
  assert.ok(exitCode === 0 && stdout.equals(stdin))
  for await (const event of followEvents(engine, { types: ["container"], signal: t.signal })) {
    if (event.kind === "list") await docker(["kill", id])
    else if (event.id === id && event.action === "die") break
  }
  await engine[Symbol.asyncDispose]()
  await waitFor("the far side to end", async () => {
    const processes = await docker(["exec", server, "ps", "-o", "args"])
    return !processes.includes("dial-stdio")
  })
})

test("files get into containers over a real ssh server: by a shell, and into a tmpfs volume without one", async (t) => {
  if (!(await requireService(t, "docker", "busybox", "sshd", "root"))) return
  const { port, env } = await startServer(t)
  const engine = await open(t, `ssh://root@127.0.0.1:${port}`, env)
  const withShell = await startContainer(t, await shellImage(), ["sleep", "600"], ["--tmpfs=/run/secrets"])
  const volume = `--mount=type=volume,source=${await tmpfsVolume("far")},target=/run/secrets`
  const without = await startContainer(
    t,
    await shelllessImage(),
    ["node", "-e", "setInterval(() => {}, 1e9)"],
    [volume],
  )
  for (const [id, route] of [
    [withShell, "exec"],
    [without, "volume"],
  ] as const) {
    const content = new Secret(randomBytes(100_000))
    const container = await inspectContainer(engine, id, t.signal)
    const copied = await copyInto(engine, container, [{ path: "/run/secrets/x", content, mode: 0o400 }], {
      requireTmpfs: true,
      log: silentLog,
      signal: t.signal,
    })
    assert.equal(copied.route, route)
    assert.match(copied.why, /not proc: the engine is not on this machine/)
    const there = await readFile(`/proc/${container.state.pid}/root/run/secrets/x`)
    assert.ok(there.equals(content.reveal()))
  }
})

test("another socket on the remote host is passed to the docker command", async (t) => {
  if (!(await requireService(t, "docker", "busybox", "sshd", "root"))) return
  const { port, env } = await startServer(t)
  const engine = await open(t, `ssh://root@127.0.0.1:${port}/var/run/docker.sock`, env)
  assert.equal((await engineInfo(engine, t.signal)).osType, "linux")
  await assert.rejects(open(t, `ssh://root@127.0.0.1:${port}/no/such.sock`, env), {
    code: "ERR_DOCKER_UNREACHABLE",
    message: /no\/such\.sock/,
  })
})

test("the error for a key that the server does not know quotes ssh", async (t) => {
  if (!(await requireService(t, "docker", "busybox", "sshd", "root"))) return
  const { port, env } = await startServer(t)
  await assert.rejects(open(t, `ssh://nobody@127.0.0.1:${port}`, env), {
    code: "ERR_DOCKER_UNREACHABLE",
    message: /Permission denied/,
    hint: /docker system dial-stdio/,
  })
})

test("an ssh that fails, ends or is not installed is an error that quotes its stderr", async (t) => {
  const failing = await withSsh(t, "echo 'docker: \x1b[31mcommand not found' >&2; exit 127")
  await assert.rejects(open(t, "ssh://box", failing), {
    code: "ERR_DOCKER_UNREACHABLE",
    message: "the engine at ssh://box cannot be reached: docker: \\x1b[31mcommand not found",
  })
  await assert.rejects(open(t, "ssh://box", await withSsh(t, "exit 0")), { code: "ERR_DOCKER_UNREACHABLE" })
  await assert.rejects(open(t, "ssh://box", { PATH: await tempDir(t) }), {
    code: "ERR_DOCKER_UNREACHABLE",
    hint: /install the OpenSSH client/,
  })
})

test("an ssh that hangs is killed when its call ends", async (t) => {
  const dir = await tempDir(t)
  const env = await withSsh(t, `echo $$ > '${dir}/pid.new'; mv '${dir}/pid.new' '${dir}/pid'; exec sleep 600`)
  const controller = new AbortController()
  const opening = connectEngine({ host: "ssh://box", env, home: "/none", signal: controller.signal })
  const pid = await waitFor("ssh to start", () => readFile(join(dir, "pid"), "utf8").catch(() => ""))
  controller.abort(new Error("enough"))
  await assert.rejects(opening, /enough/)
  await waitFor("ssh to end", async () => {
    const state = await readFile(`/proc/${pid.trim()}/stat`, "utf8").catch(() => "")
    return state === "" || / Z /.test(state)
  })
})

test("options end before the host, and a path is quoted for the remote shell", () => {
  const plain = {
    kind: "ssh",
    address: "",
    host: "box",
    user: undefined,
    port: undefined,
    path: undefined,
  } as const
  const words = sshArguments(plain)
  assert.deepEqual(words.slice(words.indexOf("--")), ["--", "box", "docker", "system", "dial-stdio"])
  const full = sshArguments({ ...plain, user: "me", port: 2222, path: "/a b/$(x)'.sock" })
  assert.deepEqual(full.slice(full.indexOf("-l"), full.indexOf("--")), ["-l", "me", "-p", "2222"])
  assert.equal(full[full.indexOf("--host") + 1], `'unix:///a b/$(x)'\\''.sock'`)
})
