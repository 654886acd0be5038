import { readFile } from "node:fs/promises"
import { join, posix } from "node:path"
import { after, type TestContext } from "node:test"
import { silentLog } from "../../src/base/log.ts"
import { containerTarget } from "../../src/copy/container-target.ts"
import { copyInto } from "../../src/copy/copy.ts"
import type { RouteName } from "../../src/copy/routes.ts"
import { inspectContainer } from "../../src/docker/containers.ts"
import { parseCheck } from "../../src/rollout/check.ts"
import { describeTarget, type ContractOptions, type ContractTarget } from "../rollout/contract.ts"
import { nodeImage } from "../support/base-image.ts"
import { cleanUp, docker, startContainer } from "../support/docker.ts"
import { waitFor } from "../support/wait.ts"
import { file, namesIn, openEngine, seen } from "./support.ts"

after(cleanUp)

const fixture = join(import.meta.dirname, "../fixtures/tls-server.mjs")
const directory = "/run/secrets"
/** A reload that fails as often as `/tmp/failures` says, then signals the server. */
const reload =
  'echo x >>/tmp/reloads; read -r left </tmp/failures; [ "$left" = 0 ] || { echo $((left - 1)) >/tmp/failures; exit 1; }; kill -HUP 1'

for (const route of ["proc", "exec"] as const) {
  describeTarget(`a container, by ${route}`, ["docker", "root"], (t, options) => open(t, route, options))
}

async function open(
  t: TestContext,
  route: RouteName,
  { old, signal }: ContractOptions,
): Promise<ContractTarget> {
  const engine = await openEngine(t)
  const wait = `echo 0 >/tmp/failures; until [ -e /tmp/go ]; do sleep 0.05; done; exec node --input-type=module -e "$PROGRAM" x ${directory} 8443`
  const id = await startContainer(
    t,
    await nodeImage(),
    ["sh", "-c", wait],
    [`--tmpfs=${directory}`, `--env=PROGRAM=${await readFile(fixture, "utf8")}`],
  )
  const container = await inspectContainer(engine, id, signal)
  const options = { route, requireTmpfs: true, log: silentLog, signal }
  const inside = (script: string): Promise<string> => docker(["exec", id, "sh", "-c", script])
  if (old !== null) {
    const files = Object.entries(old).map(([name, { content, mode }]) =>
      file(posix.join(directory, name), content, { mode: Number.parseInt(mode, 8) }),
    )
    await copyInto(engine, container, files, options)
    await inside("touch /tmp/go")
    await waitFor("the server", async () => (await docker(["logs", id])).includes("8443"))
  }
  return {
    target: containerTarget(engine, container, { ...options, reload: { kind: "exec", command: reload } }),
    path: (name) => posix.join(directory, name),
    check: parseCheck(":8443 within=8s"),
    async found() {
      const files = (await namesIn(container, directory)).map(async (name) => {
        const { content, mode } = await seen(container, posix.join(directory, name))
        return [name, { content, mode }] as const
      })
      return Object.fromEntries(await Promise.all(files))
    },
    reloads: async () => Number(await inside("touch /tmp/reloads; wc -l </tmp/reloads")),
    failReloads: async (count) => void (await inside(`echo ${count} >/tmp/failures`)),
  }
}
