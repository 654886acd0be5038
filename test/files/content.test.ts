import assert from "node:assert/strict"
import { appendFile, readFile, truncate, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test } from "node:test"
import { Secret } from "../../src/base/secret.ts"
import { verifyContent } from "../../src/files/content.ts"
import { tempDir } from "../support/temp.ts"
import { purserError } from "./support.ts"

const content = new Secret(Buffer.alloc(200_000, "content"))

test("verifies that a written file has its content", async (t) => {
  const file = join(await tempDir(t), "file")
  await writeFile(file, content.reveal())
  await verifyContent(file, "/run/secrets/key", content)
})

const damages: [what: string, damage: (file: string) => Promise<unknown>][] = [
  ["shorter", (file) => truncate(file, 199_999)],
  ["longer", (file) => appendFile(file, "x")],
  [
    "of the same length with one other bit",
    async (file) => {
      const bytes = await readFile(file)
      bytes[150_000] = (bytes[150_000] ?? 0) ^ 1
      await writeFile(file, bytes)
    },
  ],
]
for (const [what, damage] of damages) {
  test(`a file that is ${what} is refused, by the name that people know`, async (t) => {
    const file = join(await tempDir(t), "file")
    await writeFile(file, content.reveal())
    await damage(file)
    await assert.rejects(
      verifyContent(file, "/run/secrets/key", content),
      purserError("ERR_TARGET", /^cannot write \/run\/secrets\/key: it reads back differently$/),
    )
  })
}
