import assert from "node:assert/strict"
import { once } from "node:events"
import { text } from "node:stream/consumers"
import { suite, test } from "node:test"
import { killGroup, spawnGroup } from "../../src/base/subprocess.ts"
import { waitFor } from "../support/wait.ts"

suite("spawnGroup", { skip: process.platform === "win32" }, () => {
  test("the command gets no PURSER_* variable", async () => {
    const child = spawnGroup("sh", ["-c", "env"], {
      env: { PATH: process.env["PATH"], PURSER_PASSPHRASE: "x", KEPT: "1" },
      stdio: ["ignore", "pipe", "ignore"],
    })
    assert.ok(child.stdout)
    const said = await text(child.stdout)
    assert.match(said, /^KEPT=1$/m)
    assert.doesNotMatch(said, /PURSER/)
  })

  test("killGroup also ends the command's own processes, and may be called again", async () => {
    const child = spawnGroup("sh", ["-c", "sleep 60 & echo $!; wait"], {
      env: { PATH: process.env["PATH"] },
      stdio: ["ignore", "pipe", "ignore"],
    })
    const [line] = (await once(child.stdout ?? child, "data")) as [Buffer]
    const below = Number(line.toString())
    killGroup(child)
    await once(child, "exit")
    await waitFor("the end of what the command started", () => !isAlive(below))
    killGroup(child)
  })
})

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
