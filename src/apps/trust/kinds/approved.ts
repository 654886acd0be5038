import type { NoKeys, TrustKind } from "../kind.ts"

export interface ApprovedTrust {
  readonly mode: "approved"
}

/** Trusts a pin that a person has approved. A new pin waits. */
export const approvedKind: TrustKind<NoKeys, ApprovedTrust> = {
  name: "approved",
  hasToken: false,
  keys: () => ({}),
  resolve: () => ({ mode: "approved" }),
  async decide({ app, channel, hello, state, target, audit, log }) {
    const pin = channel.peerPin
    const approval = state.approvals.find(app.name, pin)
    if (approval === "approved") return undefined
    if (approval === "rejected")
      return {
        reason: "its pin was rejected",
        hint: `run purser nodes approve ${pin} to approve it after all`,
      }
    if (approval === undefined) {
      state.approvals.request(app.name, pin, target, hello.node)
      log.warn(`alert: a new node of ${app.name} at ${target} waits for approval`, { pin })
      await audit.append({
        kind: "alert",
        app: app.name,
        address: target,
        pin,
        node: hello.node,
        reason: "waits for approval",
      })
    }
    return {
      reason: "its pin waits for approval",
      hint: `compare it with the pin that the node logs at its start, then run purser nodes approve ${pin}`,
    }
  },
}
