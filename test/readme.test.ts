import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises"
import { dirname, join, resolve } from "node:path"
import { after, test, type TestContext } from "node:test"
import { databaseImage } from "./deploy/support.ts"
import { freePort } from "./support/free-port.ts"
import { imageWith, nodeImage } from "./support/base-image.ts"
import { cleanUp, docker, DockerError, run } from "./support/docker.ts"
import { codeBlocks, type CodeBlock } from "./support/markdown.ts"
import { requireService } from "./support/services.ts"
import { tempDir } from "./support/temp.ts"
import { waitFor } from "./support/wait.ts"
import { copyRepository } from "./support/repository.ts"

/**
 * The shell blocks of the README and of the quick starts in docs/, as they are printed, in a copy of the repository with a home of its own. Replaced
 * are names under example.org, the base image (there is no registry here) and ssh, which leads to another directory.
 */

after(cleanUp)

const root = resolve(import.meta.dirname, "..")

test("the README names scripts and files that exist", async () => {
  const readme = await readFile(join(root, "README.md"), "utf8")
  const { scripts } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as { scripts: object }
  const named = [...readme.matchAll(/npm run ([\w:]+)/g)].map(([, name = ""]) => name)
  assert.ok(named.length >= 4)
  for (const name of named) assert.ok(name in scripts, name)
  const blocks = await codeBlocks("README.md", "sh")
  assert.deepEqual(
    blocks.map(({ section }) => section),
    ["Quick start"],
    "every shell block is one that the tests below run",
  )
})

test("the quick start for this host starts a database with the password that it generated", async (t) => {
  if (!(await requireService(t, "compose", "busybox"))) return
  const { shell, project } = await sandbox(t)
  const [block] = await codeBlocks("README.md", "sh")
  await shell(block?.text ?? "").ended
  const db = await docker([
    "ps",
    "--quiet",
    `--filter=label=com.docker.compose.project=${project}`,
    "--filter=label=com.docker.compose.service=db",
  ])
  assert.match(await docker(["exec", db, "cat", "/run/secrets/db-password"]), /^[\w-]{43}$/)
})

test("the quick start for a rented host starts the application there with the secret from home", async (t) => {
  if (!(await requireService(t, "compose", "busybox"))) return
  const { shell, project, host } = await sandbox(t)
  const blocks = await codeBlocks("docs/rented-host.md", "sh")
  assert.equal(blocks.length, 3)
  const [home, agent, there] = blocks
  const atHome = shell(`set -e\n${home?.text}\n${agent?.text}`, { running: true })
  // It dials in vain until the node is there.
  await atHome.says(/web .*: (failed|ok)/)
  await shell(there?.text ?? "", { cwd: host }).ended
  const web = await docker([
    "ps",
    "--quiet",
    `--filter=label=com.docker.compose.project=${project}-host`,
    "--filter=label=com.docker.compose.service=web",
  ])
  assert.match(await docker(["exec", web, "cat", "/run/secrets/db-password"]), /^[\w-]{43}$/)
  await atHome.says(/: ok, 1 sent/)
  await atHome.stop()
})

test("the quick start for containers brings the secret into a container that asks by its labels", async (t) => {
  if (!(await requireService(t, "compose", "busybox"))) return
  const { shell, project } = await sandbox(t)
  const [block, byHand] = await labelsQuickStart("sh")
  const agent = shell(`set -e\n${block?.text}`, { running: true })
  await agent.says(/web .*: ok, 1 sent/)
  const web = await docker(["ps", "--quiet", `--filter=label=com.docker.compose.project=${project}`])
  assert.match(await docker(["exec", web, "cat", "/run/secrets/db-password"]), /^[\w-]{43}$/)
  await agent.stop()
  const alias = /^alias .*$/m.exec(block?.text ?? "")?.[0] ?? ""
  const hand = shell(`${alias}\n${byHand?.text.replace("deploy/web", `${project}/web`)}`)
  await hand.ended
  assert.match(hand.output(), /^[0-9a-f]{64} .*db-password$/m)
  assert.match(hand.output(), /web-1 +\w+ +1 unchanged/)
})

test("the Compose labels of the quick start are those of the file in deploy/", async () => {
  const [block] = await labelsQuickStart("yaml")
  const file = await readFile(join(root, "deploy/compose.labels.yaml"), "utf8")
  const plain = (text: string): string =>
    text
      .replaceAll(/^ *#.*\n/gm, "")
      .replaceAll(/image: .*/g, "image: …")
      .trim()
  assert.equal(plain(block?.text ?? ""), plain(file))
})

async function labelsQuickStart(language: string): Promise<CodeBlock[]> {
  const blocks = await codeBlocks("docs/labels.md", language)
  return blocks.filter(({ section }) => section === "Quick start")
}

interface Running {
  readonly ended: Promise<void>
  output(): string
  /** Resolves once its output matches; fails with the output where it ends before that. */
  says(pattern: RegExp): Promise<void>
  stop(): Promise<void>
}

async function sandbox(t: TestContext) {
  // In reverse, which `t.after` does not do: processes, containers, their image, and then the directory.
  const cleanUps = new AsyncDisposableStack()
  t.after(() => cleanUps.disposeAsync())
  const directory = await tempDir(t)
  const [clone, host, bin, project] = [
    join(directory, "purser"),
    join(directory, "host"),
    join(directory, "bin"),
    `${run}-${t.name.split(" ").at(-1)}`,
  ]
  await Promise.all([clone, host, bin].map((path) => mkdir(path)))
  await copyRepository(clone)
  await keepTheTag(cleanUps, "purser:latest")
  const scripts = {
    ssh: `#!/bin/sh\nshift\ncd '${host}' && COMPOSE_PROJECT_NAME=${project}-host exec sh -c "$*"\n`,
    scp: `#!/bin/sh\nexec cp "$1" '${host}'/"\${2##*:}"\n`,
  }
  for (const [name, text] of Object.entries(scripts)) {
    await writeFile(join(bin, name), text)
    await chmod(join(bin, name), 0o755)
  }
  const port = await freePort()
  const own = Object.entries(process.env).filter(([name]) => !/^PURSER_|^NODE_TEST|^npm_/.test(name))
  const env = {
    ...Object.fromEntries(own),
    PATH: [bin, dirname(process.execPath), process.env["PATH"]].join(":"),
    HOME: directory,
    XDG_DATA_HOME: join(directory, "data"),
    BASE: await nodeImage(),
    DB_IMAGE: await databaseImage(),
    PURSER_PORT: String(port),
    DOCKER_BUILDKIT: "0",
    COMPOSE_BAKE: "false",
    COMPOSE_PROJECT_NAME: project,
  }
  for (const name of [project, `${project}-host`]) {
    const down = ["compose", "--project-name", name, "down", "--volumes", "--remove-orphans", "--timeout=5"]
    cleanUps.defer(async () => void (await docker(down)))
  }

  const placeholders = {
    "vps.example.org": `127.0.0.1:${port}`,
    "registry.example.org/web": env.DB_IMAGE,
    "registry.example.org/shop": await waitingImage(),
  }
  const shell = (block: string, { cwd = clone, running = false } = {}): Running => {
    let text = block
    for (const [name, value] of Object.entries(placeholders)) text = text.replaceAll(name, value)
    assert.doesNotMatch(text, /example\.org/)
    const inHost = cwd === host ? { COMPOSE_PROJECT_NAME: `${project}-host` } : {}
    // A group of its own, so that what it started ends with it.
    const child = spawn("sh", running ? ["-c", text] : ["-e", "-c", text], {
      cwd,
      env: { ...env, ...inHost },
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    })
    let output = ""
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (more: string) => (output += more))
    const closed = once(child, "close") as Promise<[number | null]>
    const stop = async (): Promise<void> => {
      if (child.exitCode === null && child.signalCode === null && child.pid !== undefined)
        process.kill(-child.pid, "SIGTERM")
      await closed
    }
    cleanUps.defer(stop)
    const ended = closed.then(([code]) => {
      if (!running) assert.equal(code, 0, output)
    })
    const says = async (pattern: RegExp): Promise<void> => {
      const probe = (): boolean => pattern.test(output) || child.exitCode !== null
      await waitFor(String(pattern), probe, { timeoutMs: 120_000 })
      assert.match(output, pattern)
    }
    return { ended, output: () => output, says, stop }
  }
  return { shell, project, host }
}

/** An application that waits for its secret, and takes a HUP. */
async function waitingImage(): Promise<string> {
  const script =
    "trap : HUP; until [ -s /run/secrets/db-password ]; do sleep 0.1; done; while :; do sleep 1; done"
  return await imageWith(await nodeImage(), "waiting", {}, [`CMD ${JSON.stringify(["sh", "-c", script])}`])
}

/** After the test the tag is what it was before. */
async function keepTheTag(cleanUps: AsyncDisposableStack, tag: string): Promise<void> {
  const idOf = async (): Promise<string | undefined> => {
    try {
      return await docker(["image", "inspect", "--format={{.Id}}", tag])
    } catch (error) {
      if (error instanceof DockerError) return undefined
      throw error
    }
  }
  const before = await idOf()
  cleanUps.defer(async () => {
    if ((await idOf()) === before) return
    await docker(before === undefined ? ["image", "rm", "--force", tag] : ["image", "tag", before, tag])
  })
}
