/** An earlier commit, to compare with: its source runs with the packages that are here. */
import { execFileSync } from "node:child_process"
import { existsSync, symlinkSync } from "node:fs"
import { join, resolve } from "node:path"

const root = resolve(import.meta.dirname, "..")

/** Before the command line was bundled. */
export const commitBefore = "a2fa102"

/** Lays the commit's tree into `directory`; false where this clone does not have it. */
export function layBefore(directory: string): boolean {
  const git = (...args: string[]): Buffer =>
    execFileSync("git", args, { cwd: root, maxBuffer: 2 ** 28, stdio: ["ignore", "pipe", "ignore"] })
  try {
    execFileSync("tar", ["--extract", `--directory=${directory}`], { input: git("archive", commitBefore) })
  } catch {
    return false
  }
  symlinkSync(join(root, "node_modules"), join(directory, "node_modules"))
  return existsSync(join(directory, "bin/purser.js"))
}

/** The receiver's size in bytes, bundled as that commit bundles it. */
export function receiverBefore(directory: string): number {
  const script = `const { bundleReceiver } = await import("./scripts/bundle.ts")
    console.log(Buffer.byteLength(await bundleReceiver(process.cwd() + "/src/cli/receiver.ts")))`
  return Number(
    execFileSync(process.execPath, ["--input-type=module", "--eval", script], {
      cwd: directory,
      encoding: "utf8",
    }),
  )
}
