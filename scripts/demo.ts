/**
 * `npm run demo`: the main job from end to end with real processes and real files, on this machine alone,
 * and nothing left behind. Every sentence that it prints was checked before; the first that does not hold
 * ends it with exit code 1.
 */
import { mkdtempSync, existsSync } from "node:fs"
import { readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Cast, expect } from "./demo/cast.ts"
import { playWithContainers, whyNoContainers } from "./demo/containers.ts"

const memory = "/dev/shm"
const room = process.env["TMPDIR"] === undefined && existsSync(memory) ? memory : tmpdir()
const stage = mkdtempSync(join(room, "purser-demo-"))
const cast = new Cast(join(stage, "home"))
const begun = performance.now()

let scene = 0
const tell = (text: string): void => console.log(`${String(++scene).padStart(2)}. ${text}`)

try {
  await play()
  const why = await whyNoContainers()
  if (why === null) await playWithContainers(stage, tell)
  else console.log(`\nThe second part, with running containers, is left out: ${why}.`)
  console.log(`
All of it happened, in ${((performance.now() - begun) / 1000).toFixed(1)} s; nothing of it is left. Try next:
    node bin/purser.js --help                      every command
    node bin/purser.js secret set db-password      a secret of your own
    README.md, Quick start                         a Compose project on this host, and what to read next`)
} catch (error) {
  console.error(`\ndemo: ${error instanceof Error ? error.message : String(error)}`)
  for (const line of cast.lastWords()) console.error(`  ${line}`)
  process.exitCode = 1
} finally {
  await cast.leave()
  await rm(stage, { recursive: true, force: true })
}

async function play(): Promise<void> {
  const application = join(import.meta.dirname, "demo", "application.mjs")
  const webFiles = join(stage, "web")
  const workerFiles = join(stage, "worker")
  const diary = join(stage, "diary")

  await cast.purser(["secret", "set", "db-password"], "swordfish-1")
  tell("A secret was put into the encrypted store at home: purser secret set db-password.")
  const enrolment = (await cast.purser(["enrol", "web"])).trim()
  expect(enrolment.startsWith("purser1.web."), "enrol prints an enrolment string")
  tell("purser enrol web printed the enrolment string that the nodes of the app get.")

  const command = [process.execPath, application, join(webFiles, "db-password"), diary]
  const web = await cast.startNode("web", enrolment, [
    "--directory",
    webFiles,
    "--file",
    "db-password",
    "--reload",
    "HUP",
    "--",
    ...command,
  ])
  const worker = await cast.startNode("worker", enrolment, ["--directory", workerFiles])
  expect(!existsSync(diary), "the application waits for its secret")
  tell("Two nodes listen. One is the parent of an application, which it starts once the secret is there.")

  const flags = ["--app", "web", "--secret", "db-password", "--node", web.address, "--node", worker.address]
  const first = await cast.round(flags)
  expect(
    first.filter(({ type, status }) => type === "file" && status === "sent").length === 2,
    "both nodes are sent the file",
  )
  for (const directory of [webFiles, workerFiles]) {
    expect(
      (await readFile(join(directory, "db-password"), "utf8")) === "swordfish-1",
      `${directory} holds the secret`,
    )
  }
  await cast.until(
    async () => (await diaryOf(diary)) === "started with swordfish-1",
    "the application started with the secret",
  )
  tell("The agent dialled both, and each got its file; the application has started with it.")

  const second = await cast.round(flags)
  const matched = second.filter(({ type, status }) => type === "file" && status === "match")
  expect(
    matched.length === 2 && second.every(({ status }) => status !== "sent"),
    "the second round sends nothing",
  )
  tell("A second round had nothing to send: both have the same content already.")

  const agent = await cast.startAgent(flags)
  await cast.purser(["secret", "set", "db-password"], "swordfish-2")
  await cast.until(
    async () => (await diaryOf(diary)).endsWith("reloaded with swordfish-2"),
    "the application was reloaded",
  )
  await cast.until(
    async () => (await readFile(join(workerFiles, "db-password"), "utf8")) === "swordfish-2",
    "the other node has it too",
  )
  tell("The secret was changed at home. It arrived by itself, and the application was reloaded by a SIGHUP.")
  await cast.stop(agent)

  const strangerToken = enrolment.replace(/[^.]+$/, Buffer.alloc(32, 7).toString("base64url"))
  const stranger = await cast.startNode("stranger", strangerToken, ["--directory", join(stage, "stranger")])
  const third = await cast.round(["--app", "web", "--secret", "db-password", "--node", stranger.address])
  expect(
    third.some(({ type, status }) => type === "delivery" && status === "refused"),
    "a node with a wrong token is refused",
  )
  expect(!existsSync(join(stage, "stranger", "db-password")), "and has nothing")
  tell("A node that does not hold the token was refused, and got nothing.")

  const other = new Cast(join(stage, "elsewhere"))
  try {
    await other.purser(["secret", "set", "db-password"], "forged")
    await other.purser(["enrol", "web"])
    const forged = await other.round(["--app", "web", "--secret", "db-password", "--node", worker.address])
    expect(
      forged.some(({ type, status }) => type === "delivery" && status === "failed"),
      "an agent that is not the pinned one gets nowhere",
    )
  } finally {
    await other.leave()
  }
  expect(
    (await readFile(join(workerFiles, "db-password"), "utf8")) === "swordfish-2",
    "and overwrites nothing",
  )
  tell("An agent that is not the pinned one was turned away by the node before it could say a word.")

  const verified = await cast.purser(["audit", "verify"])
  const audit = await readFile(join(stage, "home", "audit.log"), "utf8")
  expect(
    audit.includes('"delivered"') && audit.includes('"rejected"') && !audit.includes("swordfish"),
    "the audit log has it all, but no secret",
  )
  tell(`Every decision is in the audit log, whose chain holds: ${verified.trim()}.`)

  await writeFile(join(stage, "home", "audit.log"), audit.replace("delivered", "deliverer"))
  expect(await cast.fails(["audit", "verify"]), "an edited audit log is found out")
  tell("One word in it was changed, and purser audit verify found the line.")
}

async function diaryOf(file: string): Promise<string> {
  return existsSync(file) ? (await readFile(file, "utf8")).trim() : ""
}
