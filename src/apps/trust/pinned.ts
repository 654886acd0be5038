import { samePin } from "../../channel/pin.ts"
import type { TrustRule } from "./trust-rule.ts"

/** The configuration lists the node's pin. */
export const pinned: TrustRule = async ({ app, channel }) => {
  if (app.pins.filter((pin) => samePin(pin, channel.peerPin)).length > 0) return undefined
  return {
    reason: "its pin is not among those of the app",
    hint: `add ${channel.peerPin} to pins: of ${app.name}, if it is yours`,
  }
}
