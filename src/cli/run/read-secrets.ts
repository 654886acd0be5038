import { PurserError } from "../../base/errors.ts"
import { grantCovers } from "../../base/names.ts"
import type { Secret } from "../../base/secret.ts"
import type { SecretToMount } from "../../mounts/directory.ts"
import type { Catalogue } from "../../sources/catalogue.ts"
import { openStore } from "../../wiring/open-store.ts"
import type { ResolvedConfig } from "../../wiring/resolved-config.ts"
import type { Context } from "../command.ts"
import { commandConfig, openContextOf } from "../load-config.ts"

export interface WantedSecret {
  readonly name: string
  /** The absolute path in the container. */
  readonly path: string
}

/** Reads each secret from its source in purser.yaml, else from the store. Throws `ERR_SECRET_MISSING`. */
export async function readSecrets(
  wanted: readonly WantedSecret[],
  context: Context,
): Promise<SecretToMount[]> {
  const names = wanted.map(({ name }) => name)
  await using opened = await openReader(await commandConfig(context), names, context)
  const { reader } = opened
  const read: SecretToMount[] = []
  const groups = new Map<string, ReadonlyMap<string, Secret>>()
  for (const { name, path } of wanted) {
    const group = reader.groupOf(name)
    if (group !== undefined && !groups.has(group.id)) groups.set(group.id, await group.read(context.signal))
    const content =
      group === undefined
        ? await reader.read(name, context.signal)
        : (groups.get(group.id)?.get(name) ?? null)
    if (content === null) {
      throw new PurserError("ERR_SECRET_MISSING", `no source has ${name}`, {
        hint: `run purser secret set ${name}`,
      })
    }
    read.push({ path, content })
  }
  return read
}

interface OpenReader extends AsyncDisposable {
  readonly reader: Pick<Catalogue, "read" | "groupOf">
}

/** Opens the sources. Opens the store alone, and loads no other kind, when purser.yaml has no secrets. */
async function openReader(
  config: ResolvedConfig,
  names: readonly string[],
  context: Context,
): Promise<OpenReader> {
  const opening = openContextOf(context)
  if (Object.keys(config.sources.secrets).length === 0) {
    const store = openStore(config, opening)
    const reader = { read: (name: string) => store.read(name), groupOf: () => undefined }
    return { reader, [Symbol.asyncDispose]: () => Promise.resolve() }
  }
  const [{ openCatalogue }, { namesInSpecs }] = await Promise.all([
    import("../../wiring/open-catalogue.ts"),
    import("../../sources/entries.ts"),
  ])
  const given = namesInSpecs(config.sources.secrets)
  const stored = names.filter((name) => !given.some((pattern) => grantCovers(pattern, name)))
  const secrets = {
    ...config.sources.secrets,
    ...Object.fromEntries(stored.map((name) => [name, { kind: "store" as const }])),
  }
  const opened = openCatalogue({ ...config, sources: { ...config.sources, secrets } }, opening)
  return {
    reader: opened.catalogue,
    [Symbol.asyncDispose]: () => Promise.resolve(opened[Symbol.asyncDispose]()),
  }
}
