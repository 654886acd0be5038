import { execFile } from "node:child_process"
import { existsSync } from "node:fs"
import { resolve } from "node:path"
import type { TestContext } from "node:test"
import { promisify } from "node:util"
import { pinnedNodePath } from "../../scripts/pinned-node.mjs"
import { newerEngineCheck } from "./newer-engine.ts"

/**
 * What some tests need besides Node. `npm test` runs without and says what it left out; under
 * PURSER_TEST_ALL, which scripts/provision.sh precedes, a missing service is a failure.
 */

const root = resolve(import.meta.dirname, "../..")

const probes = {
  linux: () => demand(process.platform === "linux", "this is not Linux"),
  root: () => demand(process.getuid?.() === 0, "we are not root"),
  docker: () => runs("docker", "version", "--format", "{{.Server.Version}}"),
  /** To be started beside the usual one, see second-engine.ts. */
  newerEngine: async () => runs(...newerEngineCheck()),
  compose: () => runs("docker", "compose", "version"),
  busybox: () => runs("busybox", "true"),
  age: () => runs("age", "--version"),
  openssl: () => runs("openssl", "version"),
  /** GnuTLS. */
  certtool: () => runs("certtool", "--version"),
  /** Java's. */
  keytool: () => runs("keytool", "-help"),
  zsh: () => runs("zsh", "--version"),
  fish: () => runs("fish", "--version"),
  nginx: () => runs("sh", "-c", "PATH=$PATH:/usr/sbin command -v nginx"),
  /** Server and client. */
  postgres: () => runs("sh", "-c", "ls /usr/lib/postgresql/*/bin/postgres && command -v psql"),
  /** A server and OpenSSH's client; the server is dropbear, which as a package starts nothing. */
  sshd: () => runs("sh", "-c", "command -v dropbear dropbearkey ssh ssh-keygen"),
  node22: () => runs(oldNode(22), "--version"),
  node18: () => runs(oldNode(18), "--version"),
  /** The result of `npm run build`. */
  build: () => demand(existsSync(resolve(root, "dist/purser-node.mjs")), "npm run build has not run"),
  /** The result of `npm run build:exe`, for machines of this kind. */
  executable: () => demand(existsSync(executable(process.arch)), "npm run build:exe has not run"),
  /** The result of `npm run build:exe` for arm64, and QEMU with the libraries of such a machine. */
  arm64: async () => {
    await demand(existsSync(executable("arm64")), "npm run build:exe has not run")
    await runs(...onArm64, executable("arm64"), "--version")
  },
} satisfies Record<string, () => Promise<void>>

export type Service = keyof typeof probes

/** Path of the executable for a machine of this kind. */
export function executable(arch: string): string {
  return resolve(root, `dist/exe/purser-linux-${arch}`)
}

/** Runs a program for arm64: what stands before it. */
export const onArm64 = ["qemu-aarch64-static", "-L", "/usr/aarch64-linux-gnu"] as const

/** Path of a Node older than ours: 22 is the oldest that runs the receiver, 18 too old for anything here. */
export function oldNode(major: 18 | 22): string {
  return pinnedNodePath(major)
}

/**
 * `if (!(await requireService(t, "docker"))) return`. True when all of them are there. Otherwise the test is
 * skipped with the reason, or fails under PURSER_TEST_ALL.
 */
export async function requireService(t: TestContext, ...services: readonly Service[]): Promise<boolean> {
  for (const service of services) {
    const reason = await missing(service)
    if (reason === null) continue
    const message = `needs ${service}: ${reason}`
    if (process.env["PURSER_TEST_ALL"] !== undefined)
      throw new Error(`${message} (scripts/provision.sh brings it)`)
    t.skip(message)
    return false
  }
  return true
}

const asked = new Map<Service, Promise<string | null>>()

/** Null when it is there, else why not. Asked once in each test file. */
function missing(service: Service): Promise<string | null> {
  let answer = asked.get(service)
  if (answer === undefined) {
    answer = probes[service]().then(
      () => null,
      (error: unknown) => (error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error)),
    )
    asked.set(service, answer)
  }
  return answer
}

async function runs(command: string, ...args: string[]): Promise<void> {
  try {
    await promisify(execFile)(command, args, { timeout: 20_000 })
  } catch (error) {
    const { code, stderr } = error as { code?: unknown; stderr?: string }
    if (code === "ENOENT") throw new Error("it is not installed", { cause: error })
    throw new Error(stderr?.trim() || "it does not answer", { cause: error })
  }
}

function demand(holds: boolean, otherwise: string): Promise<void> {
  return holds ? Promise.resolve() : Promise.reject(new Error(otherwise))
}
