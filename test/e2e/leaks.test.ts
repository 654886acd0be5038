import assert from "node:assert/strict"
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test } from "node:test"
import {
  assertNoLeaks,
  createMarker,
  filesUnder,
  findLeaks,
  processes as processList,
} from "../support/leaks.ts"
import { processes } from "../support/processes.ts"
import { waitFor } from "../support/wait.ts"

/** A day in the life of Purser, after which its secrets are where they belong and nowhere else. */

const fixture = join(import.meta.dirname, "../fixtures/child.mjs")

test("no secret and no token is left in an output, an argument, an environment, a state directory or a temporary file", async (t) => {
  const cast = await processes(t)
  const { purser, run, start, node: startNode, base, stateDir, said } = cast
  const markers = Array.from({ length: 5 }, () => createMarker())
  const [stored, changed, fromFile, fromDir, fromCommand] = markers as [
    string,
    string,
    string,
    string,
    string,
  ]
  const temporary = join(base, "tmp")
  const out = join(base, "out")
  const inputs = join(base, "inputs")
  for (const directory of [temporary, out, inputs]) await mkdir(directory, { recursive: true })
  const env = { TMPDIR: temporary }

  await purser(["secret", "set", "db-password"], stored)
  await writeFile(join(inputs, "plain"), fromFile)
  await mkdir(join(inputs, "dir"))
  await writeFile(join(inputs, "dir", "quote"), fromDir)
  await writeFile(join(inputs, "output"), fromCommand)
  const enrolment = await purser(["enrol", "web"])
  const token = enrolment.split(".")[3] ?? ""
  assert.equal(token.length, 43)

  const files = join(out, "web")
  const node = await startNode(
    enrolment,
    [
      "--directory",
      files,
      "--reload",
      "HUP",
      "--verbose",
      "--",
      process.execPath,
      fixture,
      join(base, "diary"),
    ],
    { env },
  )
  // One that asks for more than there is, one that nobody trusts, and a directory that cannot be written.
  const lacking = await startNode(
    enrolment,
    ["--directory", join(out, "lacking"), "--file", "nothing", "--json"],
    { env },
  )
  const stranger = await startNode(
    `${enrolment.slice(0, -43)}${"A".repeat(43)}`,
    ["--directory", join(out, "none")],
    { env },
  )
  await writeFile(join(out, "blocked"), "")
  const blocked = await startNode(enrolment, ["--directory", join(out, "blocked")], { env })
  const addresses = [node, lacking, stranger, blocked].map(({ address }) => JSON.stringify(address))
  await writeFile(
    join(base, "purser.yaml"),
    `secrets:
  db-password: store
  file: { file: ./inputs/plain }
  "quotes/*": { dir: ./inputs/dir }
  command: { exec: [cat, ${JSON.stringify(join(inputs, "output"))}] }
  broken: { exec: [sh, -c, "cat ${join(inputs, "output")} >&2; exit 1"] }
  picked: { exec: [cat, ${JSON.stringify(join(inputs, "output"))}], key: a.b }
apps:
  web: { secrets: [db-password, file, "quotes/*", command], nodes: [${addresses.join(", ")}] }
  failing: { secrets: [broken, picked], directory: ./out/failing }
  beside: { secrets: [db-password], directory: ./out/beside, reload: "exec:cat ${join(out, "beside", "db-password")}; false" }
`,
  )
  const agent = start(["agent", "--verbose"], { env })
  await agent.wrote("stdout", new RegExp(`${node.address}: ok`))
  await agent.wrote("stdout", new RegExp(`${lacking.address}: failed`))
  await agent.wrote("stdout", new RegExp(`${stranger.address}: refused`))
  await agent.wrote("stdout", new RegExp(`${blocked.address}: failed`))
  await agent.wrote("stdout", /failing .*: failed/)
  await purser(["secret", "set", "db-password"], changed)
  await agent.wrote("stdout", /beside .*: failed, .*reload/)

  assert.deepEqual(findLeaks([...markers], await processList()), [], "while all of them run")
  await waitFor("the reload", async () => {
    return (await readFile(join(base, "diary"), "utf8")).includes("SIGHUP")
  })
  // The token has to be in the environment of the nodes themselves, and nowhere else.
  const nodes = [node, lacking, stranger, blocked].map(({ pid }) => `/proc/${pid}/environ`)
  assert.deepEqual(
    findLeaks(
      [token],
      (await processList()).filter(({ name }) => !nodes.includes(name)),
    ),
    [],
  )

  await purser(["check"]).catch(() => {})
  await purser(["nodes", "ls", "--json"])
  await run(["audit", "--json"])
  await purser(["audit", "verify"])
  await purser(["secret", "ls", "--json"])
  assert.equal(await agent.stop(), 0)
  for (const one of [node, lacking, stranger, blocked]) await one.stop()

  assert.ok(findLeaks(markers, await filesUnder(files)).length >= 4, "the secrets did arrive")
  assertNoLeaks(markers, [...said, ...(await filesUnder(stateDir)), ...(await filesUnder(temporary))])
  const elsewhere = said.filter(({ name }) => name !== "stdout of enrol web")
  assertNoLeaks([token], [...elsewhere, ...(await filesUnder(temporary)), ...(await filesUnder(out))])
  assert.deepEqual(await readdir(temporary), [])
  await rm(inputs, { recursive: true })
  const rest = await filesUnder(base)
  const places = rest.filter(
    ({ name }) => ![files, join(out, "beside")].some((directory) => name.startsWith(directory)),
  )
  assertNoLeaks(markers, places)
})
