import assert from "node:assert/strict"
import { truncate, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test } from "node:test"
import { isPurserError } from "../../src/base/errors.ts"
import { readConfigText } from "../../src/config/config-text.ts"
import { tempDir } from "../support/temp.ts"

test("a file that is absent, a directory, or far too large is refused with ERR_CONFIG", async (t) => {
  const directory = await tempDir(t)
  const large = join(directory, "large.yaml")
  await writeFile(large, "")
  await truncate(large, 1024 * 1024 + 1)
  for (const [file, message] of [
    [join(directory, "none.yaml"), /^there is no /],
    [directory, /^cannot read /],
    [large, /: it is larger than 1048576 bytes$/],
  ] as const) {
    await assert.rejects(readConfigText(file), (error) => {
      assert.ok(isPurserError(error, "ERR_CONFIG"))
      assert.match(error.message, message)
      return true
    })
  }
})
