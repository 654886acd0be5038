import { execFile } from "node:child_process"
import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import { chmod, copyFile, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { basename, dirname, join } from "node:path"
import { promisify } from "node:util"
import { sharedLibraries } from "../../scripts/shared-libraries.ts"
import { docker, DockerError, labels } from "./docker.ts"
import { oldNode } from "./services.ts"

/**
 * Images of the tests' own making, since a machine without internet pulls none: from this machine's Node and
 * its shared libraries, and busybox. Made once; the tag is a digest of what is in them, and they stay on the
 * engine for the next run (`docker image rm $(docker image ls -q --filter label=purser.test.base)`).
 */

const exec = promisify(execFile)

/** Users of the images besides root and nobody; `db` has the number of the official postgres image's user. */
const users: readonly [name: string, id: number][] = [
  ["root", 0],
  ["db", 999],
  ["app", 1000],
  ["other", 1001],
  ["nobody", 65534],
]

export interface BaseImage {
  /** Path of the Node to put in, at /usr/local/bin/node. */
  readonly node?: string
  /** busybox with all its commands, a shell among them. */
  readonly shell?: boolean
  /** Of this machine, into /usr/local/bin, with their shared libraries. */
  readonly programs?: readonly string[]
}

/** Node and a shell: the base of deploy/Dockerfile, and what an application's image is like. */
export function nodeImage(): Promise<string> {
  return baseImage({ node: process.execPath, shell: true })
}

/** The same with Node 22.0.0, for the one-file receiver. */
export function node22Image(): Promise<string> {
  return baseImage({ node: oldNode(22), shell: true })
}

/** A shell and the small commands of busybox, no Node. */
export function shellImage(): Promise<string> {
  return baseImage({ shell: true })
}

/** Node and nothing else to run: no shell, no cat. */
export function shelllessImage(): Promise<string> {
  return baseImage({ node: process.execPath })
}

/** The shell image and openssl, which is what the route `pull` needs. */
export function opensslImage(): Promise<string> {
  return baseImage({ shell: true, programs: ["openssl"] })
}

const made = new Map<string, Promise<string>>()

/** Resolves with the tag. */
export function baseImage({ node, shell = false, programs = [] }: BaseImage): Promise<string> {
  const key = `${node ?? ""} ${shell} ${programs.join(" ")}`
  let tag = made.get(key)
  if (tag === undefined) {
    tag = make({ node, shell, programs })
    made.set(key, tag)
  }
  return tag
}

interface Parts {
  readonly node: string | undefined
  readonly shell: boolean
  readonly programs: readonly string[]
}

async function make({ node, shell, programs }: Parts): Promise<string> {
  const parts = new Map<string, string>() // path in the image → file here
  if (node !== undefined) {
    parts.set("/usr/local/bin/node", node)
    for (const [path, file] of await sharedLibraries(node)) parts.set(path, file)
  }
  for (const name of programs) {
    const program = await which(name)
    parts.set(`/usr/local/bin/${name}`, program)
    for (const [path, file] of await sharedLibraries(program)) parts.set(path, file)
  }
  const busybox = shell ? await which("busybox") : undefined
  if (busybox !== undefined) parts.set("/bin/busybox", busybox)

  const hash = createHash("sha256").update(fixedPart)
  for (const [path, file] of parts) {
    hash.update(`\n${path}\n`)
    for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer)
  }
  const kind = [node === undefined ? "" : "node", shell ? "shell" : "", ...programs].filter(Boolean).join("-")
  const tag = `purser-test/${kind}:${hash.digest("hex").slice(0, 16)}`
  if (await exists(tag)) return tag

  const tree = await mkdtemp(join(tmpdir(), "purser-base-"))
  try {
    for (const [path, file] of parts) {
      await mkdir(join(tree, dirname(path)), { recursive: true })
      await copyFile(file, join(tree, path))
      await chmod(join(tree, path), 0o755)
    }
    if (busybox !== undefined) await linkApplets(busybox, join(tree, "bin"))
    await writeFixedPart(tree)
    await importTree(tree, tag)
  } finally {
    await rm(tree, { recursive: true, force: true })
  }
  return tag
}

const passwd = users.map(([name, id]) => `${name}:x:${id}:${id}:${name}:/:/bin/sh\n`).join("")
const group = users.map(([name, id]) => `${name}:x:${id}:\n`).join("")
/** Enough for getaddrinfo: the engine adds /etc/hosts and /etc/resolv.conf. */
const nsswitch = "passwd: files\ngroup: files\nhosts: files dns\n"
const fixedPart = passwd + group + nsswitch

async function writeFixedPart(tree: string): Promise<void> {
  for (const folder of ["etc", "tmp", "run", "var/lib", "usr/local/bin", "home", "proc", "sys", "dev"]) {
    await mkdir(join(tree, folder), { recursive: true })
  }
  await chmod(join(tree, "tmp"), 0o1777)
  await writeFile(join(tree, "etc/passwd"), passwd)
  await writeFile(join(tree, "etc/group"), group)
  await writeFile(join(tree, "etc/nsswitch.conf"), nsswitch)
}

async function linkApplets(busybox: string, folder: string): Promise<void> {
  const { stdout } = await exec(busybox, ["--list"])
  for (const applet of stdout.split("\n")) {
    if (applet !== "" && applet !== "busybox") await symlink("busybox", join(folder, basename(applet)))
  }
}

/** As one layer, everything root's, so that neither this machine's users nor its clock get in. */
async function importTree(tree: string, tag: string): Promise<void> {
  const archive = `${tree}.tar`
  try {
    await exec("tar", [
      "--create",
      `--file=${archive}`,
      `--directory=${tree}`,
      "--owner=0",
      "--group=0",
      "--numeric-owner",
      "--sort=name",
      "--mtime=@0",
      ".",
    ])
    const changes = ["ENV PATH=/usr/local/bin:/bin", "LABEL purser.test.base=1"]
    await docker(["import", ...changes.map((change) => `--change=${change}`), archive, tag])
  } finally {
    await rm(archive, { force: true })
  }
}

async function exists(tag: string): Promise<boolean> {
  try {
    await docker(["image", "inspect", tag])
    return true
  } catch (error) {
    if (error instanceof DockerError) return false
    throw error
  }
}

async function which(command: string): Promise<string> {
  const { stdout } = await exec("sh", ["-c", `PATH=$PATH:/usr/sbin command -v ${command}`])
  return realpath(stdout.trim())
}

/** Writes `files` into a new image on top of `base`, by a Dockerfile without RUN. Removed with the test file's other things. */
export async function imageWith(
  base: string,
  name: string,
  files: Readonly<Record<string, string>>,
  instructions: readonly string[] = [],
): Promise<string> {
  const context = await mkdtemp(join(tmpdir(), "purser-image-"))
  try {
    for (const [path, content] of Object.entries(files)) {
      await mkdir(join(context, "files", dirname(path)), { recursive: true })
      await writeFile(join(context, "files", path), content, { mode: 0o755 })
    }
    await mkdir(join(context, "files"), { recursive: true })
    await writeFile(
      join(context, "Dockerfile"),
      [`FROM ${base}`, "COPY files/ /", ...instructions].join("\n"),
    )
    const tag = `purser-test/${name}:${process.pid}`
    await docker(["build", "--quiet", ...labels, "--tag", tag, context])
    return tag
  } finally {
    await rm(context, { recursive: true, force: true })
  }
}
