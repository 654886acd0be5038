import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync } from "node:fs"
import { chmod, mkdir, open, readdir, readFile, rename, writeFile } from "node:fs/promises"
import { join, resolve } from "node:path"
import { test } from "node:test"
import { freePort } from "../../support/free-port.ts"
import { createMarker } from "../../support/leaks.ts"
import { codeBlocks } from "../../support/markdown.ts"
import { requireService } from "../../support/services.ts"
import { waitFor } from "../../support/wait.ts"
import { caPlace, corporate } from "./place.ts"
import { bin } from "../purser.ts"

const root = resolve(import.meta.dirname, "../../..")
const guide = "docs/ca.md"

/** Runs a block as printed, but with a port of ours, this `purser`, and passphrases from a file. */
async function shellIn(dir: string, block: string, port = 8443): Promise<string> {
  const path = join(dir, "bin")
  await mkdir(path, { recursive: true })
  await writeFile(join(path, "purser"), `#!/bin/sh\nexec '${process.execPath}' '${bin}' "$@"\n`)
  await chmod(join(path, "purser"), 0o755)
  const own = Object.entries(process.env).filter(([name]) => !/^PURSER_|^NODE_TEST|_proxy$/i.test(name))
  const env = {
    ...Object.fromEntries(own),
    PATH: `${path}:${process.env["PATH"]}:/usr/sbin`,
    PURSER_STATE: join(dir, "state"),
  }
  // Into files: a server in the background keeps what it was given, and a pipe would not end.
  const files = [join(dir, ".stdout"), join(dir, ".stderr")] as const
  const [out, err] = [await open(files[0], "w"), await open(files[1], "w")]
  const child = spawn("sh", ["-e", "-c", block.replaceAll("8443", String(port))], {
    cwd: dir,
    env,
    stdio: ["ignore", out.fd, err.fd],
  })
  const [code] = (await once(child, "exit")) as [number | null]
  await Promise.all([out.close(), err.close()])
  const [stdout, stderr] = [await readFile(files[0], "utf8"), await readFile(files[1], "utf8")]
  assert.equal(code, 0, `${block}\n${stdout}${stderr}`)
  return stdout
}

async function section(name: string, language: string): Promise<string> {
  const block = (await codeBlocks(guide, language)).find((one) => one.section === name)
  assert.ok(block, `${guide} has ${language} under "${name}"`)
  return block.text
}

test("the guide's five commands lead to https that a client with the root accepts", async (t) => {
  if (!(await requireService(t, "openssl", "nginx"))) return
  let dir = ""
  // The process ends before the directory with its id is removed, because hooks run in the order in which they were added.
  t.after(async () => {
    const pid = Number(await readFile(join(dir, "nginx.pid"), "utf8").catch(() => "0"))
    if (pid <= 1) return
    process.kill(pid, "SIGTERM")
    await waitFor("nginx to end", () => !existsSync(`/proc/${pid}`))
  })
  ;({ dir } = await caPlace(t, { init: false }))
  const port = await freePort()
  const name = "From nothing to https in five commands"
  const commands = await section(name, "sh")
  assert.equal(commands.trim().split("\n").length, 5)
  const config = await section(name, "nginx")
  await writeFile(join(dir, "nginx.conf"), config.replaceAll("8443", String(port)))
  const lines = commands.trim().split("\n")
  const last = lines.pop() ?? ""
  await shellIn(dir, lines.join("\n"), port)
  await waitFor("nginx", async () => (await readFile(join(dir, "nginx.pid"), "utf8").catch(() => "")) !== "")
  assert.equal(await shellIn(dir, last, port), "hello\n")
  // The same without the root is what a browser says before it was told.
  await assert.rejects(shellIn(dir, last.replace("--cacert root.crt ", ""), port))
})

test("the guide's commands of every day, of a request and of revocation run as printed", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const { dir, ok } = await caPlace(t)
  for (const name of ["Every day", "Revocation"]) {
    for (const block of await codeBlocks(guide, "sh"))
      if (block.section === name) await shellIn(dir, block.text)
  }
  assert.match(await ok("ls"), /^api +revoked .*\ndb +valid .*\nreports +valid /m)
  assert.match(await readFile(join(dir, "crl.pem"), "utf8"), /BEGIN X509 CRL/)
})

test("the guide's walk through a corporate CA runs as printed", async (t) => {
  if (!(await requireService(t, "openssl"))) return
  const place = await caPlace(t, { init: false })
  const { dir, ok, openssl } = place
  const answer = await corporate(place)
  const [request, answers] = (await codeBlocks(guide, "sh")).filter(
    ({ section: name }) => name === "A corporate CA",
  )
  assert.match(await shellIn(dir, request?.text ?? ""), /^shop +waiting /m)
  await answer("shop.csr", "shop.crt")
  await openssl(
    "crl2pkcs7",
    "-nocrl",
    ...["shop.crt", "root.pem", "issuing.pem"].flatMap((one) => ["-certfile", one]),
    "-out",
    "shop.p7b",
  )
  await rename(join(dir, "issuing.pem"), join(dir, "issuing-ca.crt"))
  await rename(join(dir, "root.pem"), join(dir, "corporate-root.crt"))
  const ways = (answers?.text ?? "").trim().split("\n")
  assert.equal(ways.length, 2)
  for (const way of ways) assert.match(await shellIn(dir, way), /^shop: imported, /)
  assert.match(await ok("ls"), /^shop +valid /m)
})

test("the guide's exports run as printed", async (t) => {
  const { dir, ok, file } = await caPlace(t)
  await ok("issue", "www", "--dns", "shop.lan")
  await file("p12.pass", `${createMarker()}\n`)
  await shellIn(dir, await section("Java and Windows: PKCS#12", "sh"))
  const names = [
    ..."key crt chain.crt fullchain.crt pem p12".split(" ").map((one) => `www.${one}`),
    "truststore.p12",
  ]
  assert.deepEqual((await readdir(join(dir, "out"))).toSorted(), names.toSorted())
})

test("the guide's ca.yaml is one, and its policy holds", async (t) => {
  const { ca, dir } = await caPlace(t, { init: false })
  await writeFile(
    join(dir, "ca.yaml"),
    `${await section("What may be issued", "yaml")}passphrase_file: ./pass\n`,
  )
  assert.equal((await ca(["init"])).code, 0)
  assert.equal((await ca(["issue", "www", "--dns", "www.shop.lan"])).code, 0)
  assert.equal((await ca(["issue", "www", "--dns", "www.example.org"])).code, 3)
})

test("the guide names every command and every flag of purser ca", async (t) => {
  const { run } = await caPlace(t, { init: false })
  const table = (await readFile(join(root, guide), "utf8")).split("## Every command and flag")[1] ?? ""
  const help = async (...words: string[]): Promise<string> => (await run(["ca", ...words, "--help"])).stdout
  const commands = [...(await help()).matchAll(/^ {2}([a-z]+)(?: [<[]\S+)* {2,}/gm)].map(
    ([, name = ""]) => name,
  )
  assert.ok(commands.length >= 15, commands.join(" "))
  const common = ["--state", "--config", "--json", "--verbose", "--help"]
  for (const command of commands) {
    assert.ok(table.includes(`purser ca ${command}`), command)
    const rows = table
      .split("\n")
      .filter((row) => row.includes(`ca ${command}`) || row.includes(`\`${command}\``))
    for (const [, flag = ""] of (await help(command)).matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)) {
      if (!common.includes(flag))
        assert.ok(
          rows.some((row) => row.includes(flag)),
          `${command} ${flag}`,
        )
    }
  }
})
