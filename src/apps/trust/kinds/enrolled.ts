import { verifyProof } from "../../../channel/proof.ts"
import type { NoKeys, TrustKind } from "../kind.ts"

export interface EnrolledTrust {
  readonly mode: "enrolled"
}

/** Trusts a node that proves to hold a token of the app. */
export const enrolledKind: TrustKind<NoKeys, EnrolledTrust> = {
  name: "enrolled",
  hasToken: true,
  keys: () => ({}),
  resolve: () => ({ mode: "enrolled" }),
  async decide({ app, channel, hello, identity, state }) {
    const tokens = state.tokens.valid(app.name)
    if (tokens.length === 0) {
      return {
        reason: `${app.name} has no token`,
        hint: `run purser enrol ${app.name}, and give its node the enrolment string that it prints`,
      }
    }
    const proves = tokens.filter((token) =>
      verifyProof(hello.proof, {
        token,
        exporter: channel.exporter,
        nodeSpkiSha256: channel.peerSpkiSha256,
        agentSpkiSha256: identity.spkiSha256,
        app: app.name,
      }),
    )
    if (proves.length > 0) return undefined
    return {
      reason: hello.proof === null ? "it has no token" : "its token is wrong, revoked or too old",
      hint: `if it is your node, give it the enrolment string that \`purser enrol ${app.name}\` prints now`,
    }
  },
}
