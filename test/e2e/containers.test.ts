import assert from "node:assert/strict"
import { existsSync } from "node:fs"
import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { after, test } from "node:test"
import { namesIn, onlookersView } from "../deploy/support.ts"
import { opensslImage, shelllessImage } from "../support/base-image.ts"
import { cleanUp, docker, inspect, labels, startContainer, tmpfsVolume } from "../support/docker.ts"
import {
  assertNoLeaks,
  createMarker,
  filesUnder,
  processes as everyProcess,
  type Place,
} from "../support/leaks.ts"
import { processes } from "../support/processes.ts"
import { requireService } from "../support/services.ts"

/** Secrets go by every way into containers; afterwards, and while they go, nobody else can find them. */

after(cleanUp)

test("no way into a container leaves a secret on the engine's disk, in its records, or in a process", async (t) => {
  if (!(await requireService(t, "docker", "root", "busybox", "openssl"))) return
  const since = Date.now()
  const home = await processes(t)
  const markers = Array.from({ length: 7 }, () => createMarker())
  const memory = `--mount=type=volume,source=${await tmpfsVolume("swept")},target=/memory`
  const options = ["--init", "--tmpfs=/run/secrets", memory]
  const id = await startContainer(t, await opensslImage(), ["sleep", "300"], options)
  const silent = await startContainer(
    t,
    await shelllessImage(),
    ["node", "-e", "process.on('SIGHUP', () => {}); setInterval(() => {}, 1e9)"],
    [
      "--init",
      "--read-only",
      "--user=1000",
      "--cap-drop=ALL",
      "--tmpfs=/run/secrets:uid=1000",
      "--label=purser.app=shop",
    ],
  )
  const places: Place[] = []
  const watch = async (): Promise<void> => void places.push(...(await everyProcess()))

  const routes = ["proc", "exec", "volume", "pull"]
  for (const [index, route] of routes.entries()) {
    const target = `${id}:${route === "volume" ? "/memory" : "/run/secrets"}/${route}`
    const copying = home.run(["cp", "--verbose", "--route", route, "-", target], {
      input: markers[index] ?? "",
    })
    await Promise.all([copying, watch(), watch()])
    const { code, stderr } = await copying
    assert.equal(code, 0, stderr)
  }

  const [, , , , forRun = "", forAgent = "", changed = ""] = markers
  await home.purser(["secret", "set", "for-run"], forRun)
  const flags = ["--rm", "--network=none", ...labels, await opensslImage()]
  await home.purser([
    "run",
    "-s",
    "for-run",
    "--env-file-style",
    "_FILE",
    "--",
    ...flags,
    "wc",
    "-c",
    "/run/secrets/for-run",
  ])

  const { Image } = await inspect<{ Image: string }>(silent)
  await home.purser(["secret", "set", "for-agent"], forAgent)
  const config = {
    secrets: { "for-agent": "store" },
    apps: { shop: { secrets: ["for-agent"], containers: { image: [Image] }, reload: "HUP" } },
  }
  await writeFile(join(home.base, "purser.yaml"), JSON.stringify(config))
  const agent = home.start(["agent", "--json"])
  await agent.wrote("stdout", /"type":"delivery".*"status":"ok","sent":1/)
  await home.purser(["secret", "set", "for-agent"], changed)
  await agent.wrote("stdout", /(?:"type":"delivery".*"status":"ok","sent":1[^]*){2}/)
  await agent.stop()
  const { State } = await inspect<{ State: { Pid: number } }>(silent)
  const delivered = await readFile(`/proc/${State.Pid}/root/run/secrets/for-agent`, "utf8")
  assert.equal(delivered, changed)

  const { ExecIDs } = await inspect<{ ExecIDs: string[] | null }>(id)
  for (const exec of ExecIDs ?? [])
    places.push({ name: `exec ${exec}`, content: await docker(["inspect", exec]).catch(() => "") })
  places.push(...(await onlookersView([id, silent], since)), ...home.said, ...(await everyProcess()))
  assertNoLeaks(markers, places)
  assert.deepEqual((await namesIn(id, "/run/secrets")).toSorted(), ["exec", "proc", "pull"])
  assert.deepEqual(await namesIn(id, "/memory"), ["volume"])
  for (const root of ["/run/purser", "/dev/shm/purser"])
    if (existsSync(root)) assertNoLeaks(markers, await filesUnder(root))
  const networks = await docker(["network", "ls", `--filter=label=purser.temporary=${id}`, "--quiet"])
  assert.equal(networks, "")
})
