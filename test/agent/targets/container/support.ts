import { randomBytes } from "node:crypto"
import { homedir } from "node:os"
import type { TestContext } from "node:test"
import type { AppConfig } from "../../../../src/apps/config.ts"
import type { ContainerRule } from "../../../../src/apps/containers/rule-config.ts"
import type { AgentEvent, DeliveryEvent } from "../../../../src/agent/delivery/events.ts"
import { connectEngine } from "../../../../src/docker/engine.ts"
import { docker, dockerOutput, startContainer } from "../../../support/docker.ts"
import { appConfig, home, type AgentSettings, type Home, type TestAgent } from "../../../support/pair.ts"
import { shellImage } from "../../../support/base-image.ts"
import { waitFor } from "../../../support/wait.ts"

/** An agent whose targets are real containers on the real engine. */

export const connect =
  (host?: string) =>
  (signal: AbortSignal): ReturnType<typeof connectEngine> =>
    connectEngine({ host, env: process.env, home: homedir(), signal })

export function rule(settings: Partial<ContainerRule> = {}): ContainerRule {
  return {
    images: undefined,
    name: undefined,
    composeProject: undefined,
    composeService: undefined,
    labels: {},
    requireTmpfs: true,
    ...settings,
  }
}

/** Of an image's name. */
export async function imageId(image: string): Promise<string> {
  return await docker(["image", "inspect", "--format={{.Id}}", image])
}

/** Other test files have containers on this engine too: no app of theirs has this name. */
export function appName(): string {
  return `web-${randomBytes(6).toString("hex")}`
}

/** Says "hup" for each SIGHUP. */
export const tellsHup = ["sh", "-c", "trap 'echo hup' HUP; echo ready; while :; do sleep 1 & wait $!; done"]

/** How often its program was told to reload. */
export async function hups(id: string): Promise<number> {
  const { stdout } = await dockerOutput(["logs", id])
  return stdout.split("\n").filter((line) => line === "hup").length
}

/** The trap must stand before anybody signals. */
export async function ready(id: string): Promise<string> {
  await waitFor("the container's program", async () =>
    (await dockerOutput(["logs", id])).stdout.includes("ready"),
  )
  return id
}

export const tmpfs = "--tmpfs=/run/secrets"

export function labelled(labels: Readonly<Record<string, string>>): string[] {
  return Object.entries(labels).map(([key, value]) => `--label=${key}=${value}`)
}

export interface Stage {
  readonly app: string
  readonly image: string
  readonly place: Home
  /** Of the app, with this image in its rule. */
  readonly config: (settings?: Partial<AppConfig>) => AppConfig
  readonly agent: (settings?: Partial<AppConfig>, more?: AgentSettings) => Promise<TestAgent>
  /** A running container that asks for the app, and has a tmpfs at /run/secrets. */
  readonly start: (labels?: Readonly<Record<string, string>>, options?: readonly string[]) => Promise<string>
}

export async function stage(t: TestContext): Promise<Stage> {
  const [place, image, app] = [await home(t), await shellImage(), appName()]
  const images = [await imageId(image)]
  const config = (settings: Partial<AppConfig> = {}): AppConfig =>
    appConfig(app, { containers: rule({ images }), ...settings })
  return {
    app,
    image,
    place,
    config,
    agent: (settings = {}, more = {}) =>
      place.agent({
        apps: { [app]: config(settings) },
        ...more,
        plan: { connectEngine: connect(), ...more.plan },
      }),
    start: (labels = {}, options = []) =>
      startContainer(t, image, tellsHup, [tmpfs, ...labelled({ "purser.app": app, ...labels }), ...options]),
  }
}

/** As the container itself sees it. */
export async function read(id: string, path: string): Promise<string> {
  return await docker(["exec", id, "cat", path])
}

export async function exists(id: string, path: string): Promise<boolean> {
  return await docker(["exec", id, "test", "-e", path]).then(
    () => true,
    () => false,
  )
}

export const deliveredTo =
  (id: string, status?: DeliveryEvent["status"]) =>
  (event: AgentEvent): event is DeliveryEvent =>
    event.type === "delivery" && event.container === id && (status === undefined || event.status === status)

export function countOf(agent: TestAgent, id: string): number {
  return agent.events.filter(deliveredTo(id)).length
}
