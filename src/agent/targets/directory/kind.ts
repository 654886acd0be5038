import type { AppConfig } from "../../../apps/config.ts"
import { targetPath } from "../../../files/file-line.ts"
import type { AgentParts, FoundTargets, OpenTargetKind, TargetKind, TargetPlan } from "../kind.ts"
import type { Target } from "../target.ts"
import { directoryKey, fillDirectory } from "./fill.ts"

/** The directory of an app, beside the agent. */
interface DirectoryTarget extends Target {
  readonly kind: "directory"
}

const name = "directory"

/** Directories beside the agent, most often tmpfs volumes that other containers mount. */
export function createDirectoryKind(parts: AgentParts): TargetKind<DirectoryTarget> {
  const open = (
    { apps }: TargetPlan,
    found: FoundTargets<DirectoryTarget>,
  ): OpenTargetKind<DirectoryTarget> => {
    const withDirectory = Object.values(apps).filter(({ directory }) => directory !== undefined)
    for (const app of withDirectory) parts.health.require(directoryKey(app), requiredPaths(app))
    const add = (): void => {
      for (const { name: app } of withDirectory) found.add({ kind: name, app })
    }
    return {
      find: async () => add(),
      watch() {
        found.keepOnly(({ app }) => withDirectory.some((one) => one.name === app))
        add()
      },
      async deliver(_target, delivery, signal) {
        await fillDirectory(delivery, parts, signal)
      },
      [Symbol.asyncDispose]: async () => {},
    }
  }
  return { name, key: ({ app }) => directoryKey({ name: app }), open }
}

/** Undefined where they are known only after a complete delivery. */
function requiredPaths({ files, directory }: AppConfig): string[] | undefined {
  return files?.filter((line) => !line.optional).map((line) => targetPath(line, directory))
}
