import assert from "node:assert/strict"
import { execFile } from "node:child_process"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test, type TestContext } from "node:test"
import { promisify } from "node:util"
import { createAgeIdentity, encryptAge } from "../../../src/sources/age-file.ts"
import { ageKind } from "../../../src/sources/kinds/age.ts"
import { requireService } from "../../support/services.ts"
import { tempDir } from "../../support/temp.ts"
import { code, limit, signal, sourceOf } from "../host.ts"

async function made(t: TestContext) {
  const directory = await tempDir(t)
  const [file, identityFile] = [join(directory, "app.json.age"), join(directory, "key.txt")]
  const { identity, recipient } = await createAgeIdentity()
  await writeFile(identityFile, `# created by a test\n\n${identity}\n`)
  return {
    directory,
    file,
    identityFile,
    recipient,
    source: sourceOf(ageKind, { kind: "age", path: file, identityFile }),
  }
}

test("decrypts what the age program wrote, binary and armored", async (t) => {
  if (!(await requireService(t, "age"))) return
  const { directory, file, recipient, source } = await made(t)
  await writeFile(join(directory, "plain"), "geheim\n")
  await promisify(execFile)("age", ["-r", recipient, "-o", file, join(directory, "plain")])
  assert.equal((await source.read("", signal))?.revealText(), "geheim\n")
  await promisify(execFile)("age", ["-a", "-r", recipient, "-o", file, join(directory, "plain")])
  assert.equal((await source.read("", signal))?.revealText(), "geheim\n")
})

test("an absent file is null; a damaged file, a foreign recipient and a wrong identity file are errors", async (t) => {
  const { file, identityFile, recipient, source } = await made(t)
  assert.equal(await source.read("", signal), null)
  const sealed = await encryptAge(Buffer.from("geheim"), [recipient])
  await writeFile(file, sealed.fill(0, sealed.length - 4))
  await assert.rejects(source.read("", signal), code("ERR_SOURCE", /cannot be decrypted/))
  await writeFile(file, await encryptAge(Buffer.from("geheim"), [(await createAgeIdentity()).recipient]))
  await assert.rejects(source.read("", signal), code("ERR_SOURCE", /cannot be decrypted/))
  await writeFile(file, "just text")
  await assert.rejects(source.read("", signal), code("ERR_SOURCE", /not an age file/))
  await writeFile(identityFile, "-----BEGIN OPENSSH PRIVATE KEY-----\n")
  await assert.rejects(source.read("", signal), code("ERR_SOURCE", /not an age identity file/))
})

test("refuses plaintext over the limit", async (t) => {
  const { file, recipient, source } = await made(t)
  await writeFile(file, await encryptAge(Buffer.alloc(limit + 1), [recipient]))
  await assert.rejects(source.read("", signal), code("ERR_SECRET_TOO_LARGE"))
})
