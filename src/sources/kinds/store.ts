import { z } from "zod"
import type { SourceKind } from "../kind.ts"

export interface StoreSpec {
  readonly kind: "store"
}

const schema = z.literal("store").describe("Purser's own store: purser secret set NAME")

/** Purser's own store. All entries share one. */
export const storeKind: SourceKind<typeof schema, StoreSpec> = {
  name: "store",
  schema,
  holds: { kind: "many", ask: "whole names" },
  resolve: () => ({ kind: "store" }),
  open({ store: openStore, log }) {
    const store = openStore()
    const source = {
      read: (name: string) => store.read(name),
      list: () => store.names(),
      watch: (onChange: (name?: string) => void) => store.watch(onChange, log),
    }
    return { source: () => source }
  },
  missingHint: (_spec, name) => `run purser secret set ${name}`,
}
