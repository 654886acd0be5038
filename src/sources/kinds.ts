import type { SourceKind } from "./kind.ts"
import { ageKind } from "./kinds/age.ts"
import { caKind } from "./kinds/ca.ts"
import { dirKind } from "./kinds/dir.ts"
import { envKind } from "./kinds/env.ts"
import { execKind } from "./kinds/exec.ts"
import { fileKind } from "./kinds/file.ts"
import { storeKind } from "./kinds/store.ts"

/** Every kind of source, in the order of help and messages. */
export const sourceKinds = [
  storeKind,
  fileKind,
  dirKind,
  envKind,
  execKind,
  ageKind,
  caKind,
] as const satisfies readonly SourceKind[]

/** A resolved entry of `secrets:`, with absolute paths. */
export type SourceSpec = ReturnType<(typeof sourceKinds)[number]["resolve"]>
