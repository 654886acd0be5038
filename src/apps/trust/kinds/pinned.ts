import type { z } from "zod"
import { isPin, samePin, type Pin } from "../../../channel/pin.ts"
import type { TrustKind } from "../kind.ts"

export interface PinnedTrust {
  readonly mode: "pinned"
  readonly pins: readonly Pin[]
}

const keys = (zod: typeof z) => ({
  pins: zod
    .array(
      zod.string().refine((text): text is Pin => isPin(text), {
        error: "not a pin",
        params: { hint: "write sha256: and 43 characters of base64url" },
      }),
    )
    .min(1)
    .optional()
    .describe("with trust: pinned, the pins of its nodes"),
})

/** Trusts the pins that the configuration lists. */
export const pinnedKind: TrustKind<ReturnType<typeof keys>, PinnedTrust> = {
  name: "pinned",
  hasToken: false,
  keys,
  check({ pins }, { isChosen, report }) {
    if (isChosen && pins === undefined)
      report("trust", "pinned needs pins", "add pins: with the pin that `purser node` prints", "value")
    if (!isChosen && pins !== undefined)
      report("pins", "have no meaning without trust: pinned", "add trust: pinned, or leave the pins out")
  },
  resolve: ({ pins = [] }) => ({ mode: "pinned", pins }),
  acceptsPin: ({ pins }, pin) => pins.some((one) => samePin(one, pin)),
  async decide({ app, channel }, { pins }) {
    if (pins.filter((pin) => samePin(pin, channel.peerPin)).length > 0) return undefined
    return {
      reason: "its pin is not among those of the app",
      hint: `if it is your node, add ${channel.peerPin} to pins: of ${app.name}`,
    }
  },
}
