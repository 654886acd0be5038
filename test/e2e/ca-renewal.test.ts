import assert from "node:assert/strict"
import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { after, test, type TestContext } from "node:test"
import { stringify } from "yaml"
import { appName } from "../agent/targets/container/support.ts"
import { cleanUp, docker } from "../support/docker.ts"
import { assertNoLeaks, createMarker } from "../support/leaks.ts"
import { answers, get, load, startNginx } from "../support/nginx.ts"
import { processes } from "../support/processes.ts"
import { requireService } from "../support/services.ts"
import { waitFor } from "../support/wait.ts"

/** nginx in a container, its certificate from the CA by the agent: renewed while it is used, and put back when it is bad. */

after(cleanUp)

const names = { servername: "shop.lan", headers: { host: "shop.lan" } }

/** A CA, nginx that waits for its files, and what purser.yaml says of both. */
async function stage(t: TestContext) {
  const cast = await processes(t)
  const passphrase = createMarker()
  const at = (name: string): string => join(cast.base, name)
  await writeFile(at("ca.pass"), `${passphrase}\n`)
  const nginx = await startNginx(t, { directory: "/run/secrets/www" })
  const app = appName()
  const config = at("purser.yaml")
  /** `secrets`: where the set comes from. */
  const configure = async (secrets: object): Promise<void> =>
    await writeFile(
      config,
      stringify({
        ca: { passphrase_file: "./ca.pass" },
        secrets,
        apps: {
          [app]: {
            secrets: ["www/*"],
            containers: { image: [nginx.image], name: await nameOf(nginx.id) },
            reload: "HUP",
            check: ":443 within=10s",
          },
        },
      }),
    )
  const ca = async (...args: readonly string[]): Promise<string> =>
    await cast.purser(["ca", ...args, "--config", config])
  await configure({ www: { ca: "www", dns: ["shop.lan"] } })
  await ca("init")
  const root = await ca("root")
  const agent = cast.start(["agent", "--config", config, "--json"])
  await agent.wrote("stdout", /"type":"delivery".*"status":"ok"/)
  const trusting = { ...names, ca: root }
  await answers(nginx.address, trusting)
  return { cast, nginx, agent, ca, configure, trusting, passphrase, at, app }
}

async function nameOf(id: string): Promise<string> {
  return (await docker(["inspect", "--format={{.Name}}", id])).slice(1)
}

test("a certificate is renewed under load, without one failed request", async (t) => {
  if (!(await requireService(t, "docker", "root", "nginx"))) return
  const { cast, nginx, agent, ca, trusting, passphrase } = await stage(t)
  const first = (await get(nginx.address, trusting)).serial
  const running = load(t, nginx.address, trusting)
  await waitFor("some requests", () => running.count() > 50)
  const serials = [first]
  for (let round = 0; round < 3; round++) {
    await ca("renew", "www")
    const before = serials.at(-1)
    const serial = await waitFor("the new certificate", async () => {
      const now = (await get(nginx.address, trusting)).serial
      return now === before ? "" : now
    })
    serials.push(serial)
    const served = running.count()
    await waitFor("more requests", () => running.count() > served + 50)
  }
  const { count, failures, serials: seen } = await running.stop()
  assert.deepEqual(failures, [])
  assert.ok(count > 200, String(count))
  assert.equal(new Set(serials).size, 4)
  for (const serial of serials) assert.ok(seen.has(serial))
  const listed = JSON.parse(await ca("ls", "--json")) as { serial: string; state: string }
  assert.deepEqual([listed.serial, listed.state], [serials.at(-1), "valid"])
  assert.equal(await agent.stop(), 0)
  assertNoLeaks(
    [passphrase],
    [...cast.said, { name: "inspect", content: await docker(["inspect", nginx.id]) }],
  )
})

test("a certificate that is not served is rolled back, and the old one served all the time", async (t) => {
  if (!(await requireService(t, "docker", "root", "nginx", "openssl"))) return
  const { cast, nginx, agent, ca, configure, trusting, at, app } = await stage(t)
  const { serial } = await get(nginx.address, trusting)
  const running = load(t, nginx.address, trusting, 2)
  // A key that is another certificate's: nginx refuses to load the pair, and goes on with what it has.
  await ca("issue", "other", "--dns", "shop.lan", "--out", at("out"))
  await ca("export", "www", "--out", at("out"))
  await configure({
    "www/tls.crt": { file: at("out/other.fullchain.crt") },
    "www/tls.key": { file: at("out/www.key") },
    "www/ca.crt": { file: at("root.crt") },
  })
  await writeFile(at("root.crt"), trusting.ca)
  const before = await docker(["exec", nginx.id, "cat", "/run/secrets/www/tls.crt"])
  agent.child.kill("SIGHUP")
  await agent.wrote("stdout", /"status":"failed".*ERR_CHECK|ERR_CHECK.*"status":"failed"/)
  assert.equal(await docker(["exec", nginx.id, "cat", "/run/secrets/www/tls.crt"]), before)
  const audit = await waitFor("the audit log", async () => {
    const text = await readFile(join(cast.stateDir, "audit.log"), "utf8").catch(() => "")
    return text.includes("rolled-back") ? text : ""
  })
  const line = audit.split("\n").find((one) => one.includes('"rolled-back"')) ?? ""
  assert.ok(line.includes(app), line)
  const { failures, serials } = await running.stop()
  assert.deepEqual(failures, [])
  assert.deepEqual([...serials], [serial], "nothing else was ever served")

  // What is right again is delivered, whatever was held back.
  await configure({ www: { ca: "www", dns: ["shop.lan"] } })
  agent.child.kill("SIGHUP")
  await ca("renew", "www")
  await waitFor("the next certificate", async () => (await get(nginx.address, trusting)).serial !== serial)
  assert.equal(await agent.stop(), 0)
})
