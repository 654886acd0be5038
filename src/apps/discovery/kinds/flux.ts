import { z } from "zod"
import { defaultPort } from "../../../channel/port.ts"
import { port } from "../fields.ts"
import { lookUpFlux } from "../flux.ts"
import type { DiscoveryKind } from "../kind.ts"

export interface FluxSpec {
  readonly kind: "flux"
  readonly app: string
  readonly port: number
  readonly api: string | undefined
}

const schema = z.strictObject({
  flux: z.strictObject({
    app: z
      .string()
      .regex(/^[A-Za-z0-9]{1,64}$/, { error: "not the name of an app on Flux" })
      .describe("the app's name on Flux"),
    port,
    api: z
      .url({ protocol: /^https?$/, error: "not an http address" })
      .optional()
      .describe("base URL of the Flux API"),
  }),
})

/** The locations of an app on Flux. */
export const fluxKind: DiscoveryKind<typeof schema, FluxSpec> = {
  name: "flux",
  schema,
  resolve: ({ flux: { app, port = defaultPort, api } }) => ({ kind: "flux", app, port, api }),
  fromFlag: (app, port) => ({ flux: { app, ...(port === undefined ? {} : { port }) } }),
  look: ({ app, port, api }, { httpLimitMs: timeLimitMs, signal }) =>
    lookUpFlux({ app, port, api, timeLimitMs, signal }),
}
