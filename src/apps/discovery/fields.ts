import { z } from "zod"
import { isAppName } from "../../base/names.ts"
import { isHostName } from "../../base/net-address.ts"
import { defaultPort } from "../../channel/port.ts"

/** Schema fields that several kinds of discovery share. */

/** The port at which nodes listen. */
export const port = z.int().min(1).max(65_535).optional().describe(`default ${defaultPort}`)

export const hostName = z
  .string()
  .refine((text) => isHostName(text) || isAppName(text), { error: "not a host name" })
