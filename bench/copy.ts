import { spawn, spawnSync } from "node:child_process"
import { randomBytes } from "node:crypto"
import {
  closeSync,
  fsyncSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs"
import { join, resolve } from "node:path"
import { createInterface } from "node:readline"
import { silentLog } from "../src/base/log.ts"
import { Secret } from "../src/base/secret.ts"
import { copyInto } from "../src/copy/copy.ts"
import type { RouteName } from "../src/copy/routes.ts"
import { inspectContainer } from "../src/docker/containers.ts"
import { connectEngine, type Engine } from "../src/docker/engine.ts"
import { execIn } from "../src/docker/exec.ts"
import { opensslImage, shellImage } from "../test/support/base-image.ts"
import { cleanUp, docker, inspect, labels, tmpfsVolume } from "../test/support/docker.ts"
import { median, type Row, type Section } from "./measure.ts"

/** Into a running container: each route against docker's own ways and against the least that could be done. */

const root = resolve(import.meta.dirname, "..")
const purser = join(root, "bin/purser.js")
const turns = 30
const { signal } = new AbortController()
const target = "/run/secrets/file"

type Ways = Record<string, () => Promise<void> | void>

export async function measureCopy(): Promise<Section> {
  const stage = mkdtempSync("/dev/shm/purser-bench-copy-")
  try {
    await using engine = await connectEngine({ env: process.env, home: "/root", signal })
    const container = await start(await opensslImage())
    const rows: Row[] = []
    for (const [label, sizeBytes] of [
      ["1 KiB", 1024],
      ["1 MiB", 1024 * 1024],
    ] as const) {
      const { direct, byEngine, processes } = await waysFor(engine, container, sizeBytes, stage)
      // Apart: a library's caller has run for a while, and a process in between makes every cache cold.
      const times = [await inTurns(direct), await inTurns(byEngine), await inTurns(processes)]
      rows.push(...rowsOf(label, new Map(times.flatMap((group) => [...group]))))
    }
    rows.push(await startToFile(stage), await wholeRun(stage))
    return {
      title: "Into running containers",
      text: `${turns} of each in turns, every time with new content, read back and compared. Each figure stands against the floor of its kind: for \`proc\` one question to the engine for the process and a bare write and rename through /proc/PID/root (it asks three times, to be sure of the process); for what needs the engine an exec of \`true\`; for whole processes \`node -e 0\` of the same Node. docker cp goes to the container's disk, for into memory it does not work.`,
      rows,
      ratios: rows.flatMap(({ what, figures }) =>
        figures["against its floor"] === undefined || figures["against its floor"] === "1.00"
          ? []
          : [{ what, ratio: Number(figures["against its floor"]) }],
      ),
    }
  } finally {
    rmSync(stage, { recursive: true, force: true })
    await cleanUp()
  }
}

async function start(image: string): Promise<string> {
  const volume = await tmpfsVolume("bench")
  const flags = ["--tmpfs=/run/secrets", `--mount=type=volume,source=${volume},target=/volume`, "--init"]
  return await docker(["run", "--detach", ...labels, ...flags, image, "sleep", "3600"])
}

async function waysFor(
  engine: Engine,
  container: string,
  sizeBytes: number,
  stage: string,
): Promise<Record<"direct" | "byEngine" | "processes", Ways>> {
  const details = await inspectContainer(engine, container, signal)
  const inContainer = `/proc/${details.state.pid}/root/run/secrets`
  const file = join(stage, "content")
  const fresh = (): Buffer => randomBytes(sizeBytes)
  const freshFile = (): void => writeFileSync(file, fresh())
  const through =
    (route: RouteName, path = target) =>
    async (): Promise<void> => {
      await copyInto(
        engine,
        await inspectContainer(engine, container, signal),
        [{ path, content: new Secret(fresh()), mode: 0o400 }],
        { route, requireTmpfs: true, log: silentLog, signal },
      )
    }
  const whole = (command: string, argv: readonly string[], input?: Buffer) => (): void => {
    freshFile()
    const { status, stderr } = spawnSync(command, argv, input === undefined ? {} : { input })
    if (status !== 0) throw new Error(`${command} ${argv.join(" ")}: ${String(stderr)}`)
  }
  const cp = (route: RouteName) =>
    whole(process.execPath, [purser, "cp", "--route", route, file, `${container}:${target}`])
  const bare = (): void => {
    const temporary = join(inContainer, "bare.tmp")
    const fd = openSync(temporary, "w", 0o400)
    writeSync(fd, fresh())
    fsyncSync(fd)
    closeSync(fd)
    renameSync(temporary, join(inContainer, "bare"))
  }
  return {
    direct: {
      "bare /proc write": bare,
      "inspect, and a bare write": async () => {
        await inspectContainer(engine, container, signal)
        bare()
      },
      "proc, library": through("proc"),
    },
    byEngine: {
      "exec true, library": async () =>
        void (await execIn(engine, container, { command: ["true"], timeoutMs: 10_000 }, signal)),
      "exec, library": through("exec"),
      "volume, library": through("volume", "/volume/file"),
      "pull, library": through("pull"),
    },
    processes: {
      "node -e 0": whole(process.execPath, ["-e", "0"]),
      "purser cp by proc": cp("proc"),
      "purser cp by exec": cp("exec"),
      "docker cp": whole("docker", ["cp", file, `${container}:/tmp/file`]),
      "docker exec -i … cat >": whole(
        "docker",
        ["exec", "-i", container, "sh", "-c", `cat > ${target}-cat`],
        fresh(),
      ),
    },
  }
}

/** Measures in turns, because the machine's speed drifts. The first turn is not counted. */
async function inTurns(ways: Ways, most = turns): Promise<Map<string, number>> {
  const times = new Map<string, number[]>(Object.keys(ways).map((name) => [name, []]))
  for (let turn = 0; turn <= most; turn++) {
    for (const [name, way] of Object.entries(ways)) {
      const begun = performance.now()
      await way()
      if (turn > 0) times.get(name)?.push(performance.now() - begun)
    }
  }
  return new Map([...times].map(([name, all]) => [name, median(all)]))
}

const floors: Readonly<Record<string, string>> = {
  "bare /proc write": "bare /proc write",
  "inspect, and a bare write": "bare /proc write",
  "proc, library": "inspect, and a bare write",
  "exec true, library": "exec true, library",
  "exec, library": "exec true, library",
  "volume, library": "exec true, library",
  "pull, library": "exec true, library",
  "node -e 0": "node -e 0",
  "purser cp by proc": "node -e 0",
  "purser cp by exec": "node -e 0",
}

function rowsOf(label: string, times: ReadonlyMap<string, number>): Row[] {
  const dockerCp = times.get("docker cp") ?? Number.NaN
  return [...times].map(([name, time]) => {
    const floor = times.get(floors[name] ?? "")
    return {
      what: `${label}, ${name}`,
      figures: {
        median: `${time.toFixed(time < 10 ? 2 : 0)} ms`,
        ...(floor === undefined ? {} : { "against its floor": (time / floor).toFixed(2) }),
        ...(aims[name] === undefined ? {} : { aim: aims[name] }),
        "docker cp takes": `${(dockerCp / time).toFixed(2)} times as long`,
      },
    }
  })
}

/** The target for the figure beside it. */
const aims: Readonly<Record<string, string>> = {
  "proc, library": "3; docker cp 20 times as long",
  "exec, library": "1.15",
  "purser cp by proc": "1.5",
}

/** From the engine's start event to the file that was read back, with the agent following the engine. */
async function startToFile(stage: string): Promise<Row> {
  const image = await shellImage()
  const { Id } = await inspect<{ Id: string }>(image)
  const config = join(stage, "purser.yaml")
  const env = { ...process.env, PURSER_STATE: join(stage, "state") }
  writeFileSync(join(stage, "key"), "content")
  writeFileSync(
    config,
    JSON.stringify({
      secrets: { key: { file: "./key" } },
      apps: { bench: { secrets: ["key"], containers: { image: [Id] } } },
    }),
  )
  const agent = spawn(process.execPath, [purser, "agent", "--config", config, "--json"], {
    env,
    stdio: ["ignore", "pipe", "ignore"],
  })
  try {
    const lines = createInterface({ input: agent.stdout })[Symbol.asyncIterator]()
    const times: number[] = []
    const argv = [...labels, "--label=purser.app=bench", "--tmpfs=/run/secrets", image, "sleep", "60"]
    for (let turn = 0; turn <= turns; turn++) {
      const id = await docker(["run", "--detach", "--init", ...argv])
      for (;;) {
        const { value, done } = await lines.next()
        if (done === true) throw new Error("the agent ended")
        const event = JSON.parse(value) as { type: string; status: string }
        if (event.type === "delivery" && event.status === "ok") break
      }
      const at = Date.now()
      const started = await docker(["inspect", "--format={{.State.StartedAt}}", id])
      if (turn > 0) times.push(at - Date.parse(started))
      await docker(["rm", "--force", id])
    }
    return {
      what: "from a container's start to the verified file, by the agent",
      figures: { median: `${median(times).toFixed(0)} ms` },
    }
  } finally {
    agent.kill("SIGTERM")
  }
}

async function wholeRun(stage: string): Promise<Row> {
  const image = await shellImage()
  const state = join(stage, "state")
  spawnSync(process.execPath, [purser, "secret", "set", "bench", "--state", state], { input: "content" })
  const argv = ["--rm", "--network=none", ...labels, image, "true"]
  const times = await inTurns(
    {
      docker: () => void spawnSync("docker", ["run", ...argv]),
      purser: () =>
        void spawnSync(process.execPath, [purser, "run", "--state", state, "-s", "bench", "--", ...argv]),
    },
    turns / 2,
  )
  const [plain = Number.NaN, ours = Number.NaN] = [times.get("docker"), times.get("purser")]
  return {
    what: "purser run, against docker run",
    figures: { median: `${ours.toFixed(0)} ms`, "against its floor": (ours / plain).toFixed(2) },
  }
}
