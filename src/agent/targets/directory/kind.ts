import type { AppConfig } from "../../../apps/config.ts"
import { targetPath } from "../../../files/file-line.ts"
import type { AgentParts, FoundTargets, OpenTargetKind, TargetKind } from "../kind.ts"
import type { Target } from "../target.ts"
import { directoryKey, fillDirectory } from "./fill.ts"

/** The directory of an app, beside the agent. */
interface DirectoryTarget extends Target {
  readonly kind: "directory"
}

/** Directories beside the agent, most often tmpfs volumes that other containers mount. */
export const directoryKind: TargetKind<DirectoryTarget> = {
  name: "directory",
  appKey: "directory",
  isFor: ({ directory }) => directory !== undefined,
  key: ({ app }) => directoryKey({ name: app }),
  create: (parts) => ({ open: ({ apps }, found) => openDirectories(Object.values(apps), found, parts) }),
}

function openDirectories(
  apps: readonly AppConfig[],
  found: FoundTargets<DirectoryTarget>,
  parts: AgentParts,
): OpenTargetKind<DirectoryTarget> {
  const withDirectory = apps.filter(({ directory }) => directory !== undefined)
  for (const app of withDirectory) parts.health.require(directoryKey(app), requiredPaths(app))
  const add = (): void => {
    for (const { name: app } of withDirectory) found.add({ kind: "directory", app })
  }
  return {
    find: async () => add(),
    watch() {
      found.keepOnly(({ app }) => withDirectory.some(({ name }) => name === app))
      add()
    },
    async deliver(_target, delivery, signal) {
      await fillDirectory(delivery, parts, signal)
    },
    [Symbol.asyncDispose]: async () => {},
  }
}

/** Undefined where they are known only after a complete delivery. */
function requiredPaths({ files, directory }: AppConfig): string[] | undefined {
  return files?.filter((line) => !line.optional).map((line) => targetPath(line, directory))
}
