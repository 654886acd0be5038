import { execFile, spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { copyFile, mkdir, rm, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { promisify } from "node:util"
import { sharedLibraries } from "../shared-libraries.ts"
import { Cast, expect } from "./cast.ts"

/**
 * The second part of the demo: running containers on this host. It makes its own image out of the Node that runs
 * it, without a shell, so that nothing is pulled; and removes all that it made.
 */

const exec = promisify(execFile)
const label = "purser.demo"

/** Why the part cannot be played here; null when it can. */
export async function whyNoContainers(): Promise<string | null> {
  if (process.platform !== "linux")
    return "it makes an image out of this machine's Node, which is not a Linux one"
  try {
    await docker(["version", "--format", "{{.Server.Version}}"])
    return null
  } catch {
    return "no container engine answers here: start Docker, and run it again"
  }
}

export async function playWithContainers(stage: string, tell: (text: string) => void): Promise<void> {
  const cast = new Cast(join(stage, "second-home"))
  // A test names the run, to find what is left of it beside other runs.
  const run = process.env["PURSER_DEMO_RUN"] ?? `purser-demo-${randomBytes(4).toString("hex")}`
  const image = `${run}:image`
  try {
    const imageId = await makeImage(join(stage, "image"), image, run)
    const start = async (name: string, ...options: string[]): Promise<string> => {
      const named = ["--name", `${run}-${name}`, `--label=${label}=${run}`]
      const confined = ["--read-only", "--user=1000", "--cap-drop=ALL", "--network=none"]
      const memory = "--tmpfs=/run/secrets:uid=1000,mode=0700"
      const id = await docker(["run", "--detach", ...named, ...confined, memory, ...options, image])
      return id.trim()
    }

    const web = await start("web")
    await cast.purser(["cp", "-", `${run}-web:/run/secrets/db-password`], "swordfish-3")
    await cast.until(
      async () => (await logsOf(web)).includes("has db-password"),
      "the container reads the file",
    )
    tell(
      "purser cp - web:/run/secrets/db-password: into a running container without a shell, read-only and not root.",
    )

    await cast.purser(["secret", "set", "api-key"], "swordfish-4")
    await writeFile(
      join(stage, "purser.yaml"),
      JSON.stringify({
        secrets: { "api-key": "store" },
        apps: { shop: { secrets: ["api-key"], containers: { image: [imageId] } } },
      }),
    )
    const agent = await cast.startIdle(["agent", "--config", join(stage, "purser.yaml")])
    const shop = await start(
      "shop",
      "--label=purser.app=shop",
      "--label=purser.files=api-key",
      "--label=purser.reload=HUP",
    )
    await cast.until(
      async () => (await logsOf(shop)).includes("has api-key"),
      "the agent fills the container",
    )
    tell("A container whose labels ask for api-key was started, and the agent brought it at once.")
    await cast.purser(["secret", "set", "api-key"], "swordfish-5")
    await cast.until(
      async () => (await logsOf(shop)).includes("read again: api-key"),
      "the container is told",
    )
    tell("The secret was changed: it arrived by itself, and the container got a SIGHUP.")
    await cast.stop(agent)

    const seen = [
      await docker(["inspect", web, shop]),
      await docker(["diff", web]),
      await docker(["diff", shop]),
    ]
    expect(!seen.join("").includes("swordfish"), "neither inspect nor the containers' layers hold a secret")
    tell("docker inspect and the containers' layers on the disk hold none of it.")
  } catch (error) {
    for (const line of cast.lastWords()) console.error(`  ${line}`)
    throw error
  } finally {
    await cast.leave()
    await removeAll(run, image)
  }
}

/** Resolves with the image's id. */
async function makeImage(tree: string, tag: string, run: string): Promise<string> {
  const parts = new Map([["/bin/node", process.execPath], ...(await sharedLibraries(process.execPath))])
  for (const [path, file] of parts) {
    await mkdir(join(tree, dirname(path)), { recursive: true })
    await copyFile(file, join(tree, path))
  }
  await mkdir(join(tree, "run/secrets"), { recursive: true })
  await copyFile(join(import.meta.dirname, "contained.mjs"), join(tree, "contained.mjs"))
  const tar = spawn("tar", ["--create", "--owner=0", "--group=0", `--directory=${tree}`, "."], {
    stdio: ["ignore", "pipe", "ignore"],
  })
  const importing = exec("docker", [
    "import",
    '--change=CMD ["/bin/node", "/contained.mjs"]',
    `--change=LABEL ${label}=${run}`,
    "-",
    tag,
  ])
  if (importing.child.stdin !== null) tar.stdout.pipe(importing.child.stdin)
  await importing
  await rm(tree, { recursive: true, force: true })
  return (await docker(["image", "inspect", "--format={{.Id}}", tag])).trim()
}

async function removeAll(run: string, image: string): Promise<void> {
  const ids = (await docker(["ps", "--all", "--quiet", `--filter=label=${label}=${run}`]))
    .split("\n")
    .filter(Boolean)
  if (ids.length > 0) await docker(["rm", "--force", "--volumes", ...ids])
  await docker(["image", "rm", "--force", image]).catch(() => {})
}

async function logsOf(container: string): Promise<string> {
  return await docker(["logs", container])
}

async function docker(args: readonly string[]): Promise<string> {
  const { stdout } = await exec("docker", args, { timeout: 60_000 })
  return stdout
}
