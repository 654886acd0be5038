import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test } from "node:test"
import { assertNoLeaks, createMarker, filesUnder, findLeaks, processes } from "./leaks.ts"
import { tempDir } from "./temp.ts"

const marker = createMarker()

const disguises: [as: string, text: string][] = [
  ["text", `x${marker}y`],
  ["hex", Buffer.from(marker).toString("hex").toUpperCase()],
  ["base64", Buffer.from(marker).toString("base64")],
  ["base64", Buffer.from(`a${marker}zz`).toString("base64")],
  ["base64", Buffer.from(`ab${marker}z`).toString("base64url")],
  ["UTF-16", Buffer.from(marker, "utf16le").toString("latin1")],
  ["its two halves", marker.slice(0, marker.length - 4)],
]
for (const [index, [as, text]] of disguises.entries()) {
  test(`finds a marker as ${as} (${index + 1})`, () => {
    const places = [
      { name: "log", content: "nothing" },
      { name: "stdout", content: Buffer.from(text, "latin1") },
    ]
    assert.ok(findLeaks([marker], places).includes(`stdout: marker 1 as ${as}`))
    assert.throws(() => assertNoLeaks([marker], places), /stdout/)
  })
}

test("finds nothing where there is nothing", () => {
  assert.deepEqual(findLeaks([marker], [{ name: "log", content: createMarker() }]), [])
})

test("a sweep of nothing is a mistake", () => {
  assert.throws(() => assertNoLeaks([], [{ name: "log", content: "" }]), /needs a marker/)
  assert.throws(() => assertNoLeaks([marker], []), /needs a marker/)
})

test("looks into every file below a directory but the named ones, and at their names", async (t) => {
  const dir = await tempDir(t)
  await mkdir(join(dir, "a/b"), { recursive: true })
  await writeFile(join(dir, "a/b/c"), `password=${marker}`)
  await writeFile(join(dir, "a/kept"), marker)
  const found = findLeaks([marker], await filesUnder(dir, [join(dir, "a/kept")]))
  assert.ok(found.every((line) => line.startsWith(join(dir, "a/b/c"))) && found.length > 0, found.join("\n"))
  await writeFile(join(dir, marker), "")
  assert.match(findLeaks([marker], await filesUnder(dir)).join("\n"), /names in/)
})

test(
  "sees arguments and environment of other processes",
  { skip: process.platform !== "linux" && "not Linux" },
  async (t) => {
    const script = 'process.stdout.write("up"); process.stdin.resume()'
    const child = spawn(process.execPath, ["-e", script, marker], {
      env: { TOKEN: marker },
      stdio: ["pipe", "pipe", "inherit"],
    })
    t.after(() => child.kill())
    await once(child.stdout, "data")
    const found = findLeaks([marker], await processes())
    assert.ok(found.includes(`/proc/${child.pid}/cmdline: marker 1 as text`))
    assert.ok(found.includes(`/proc/${child.pid}/environ: marker 1 as text`))
  },
)
