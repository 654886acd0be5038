import { execFile } from "node:child_process"
import { cp, symlink } from "node:fs/promises"
import { join, resolve } from "node:path"
import { promisify } from "node:util"

const root = resolve(import.meta.dirname, "../..")

/** What git would clone from here, without tests, and with what bootstrap would install. There is no `dist/`. */
export async function copyRepository(target: string): Promise<void> {
  const { stdout } = await promisify(execFile)(
    "git",
    ["ls-files", "--cached", "--others", "--exclude-standard", "-z"],
    { cwd: root, maxBuffer: 2 ** 26 },
  )
  for (const file of stdout.split("\0")) {
    if (file === "" || /^(?:test|bench)\//.test(file)) continue
    await cp(join(root, file), join(target, file)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error // deleted, and not committed yet
    })
  }
  await symlink(join(root, "node_modules"), join(target, "node_modules"))
}
