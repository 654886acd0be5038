import type { ErrorKind } from "./error-kind.ts"

export const channelErrors = {
  ERR_ENROLMENT: {
    exit: 2,
    http: 400,
    about: "an enrolment string is damaged, or lacks what its app's trust mode needs",
  },
  ERR_IDENTITY: { exit: 2, http: 500, about: "an identity file is damaged or can be read by others" },
  ERR_UNTRUSTED: { exit: 3, http: 401, about: "the peer's identity or proof is wrong" },
  ERR_REFUSED: { exit: 3, http: 502, about: "the peer refused us" },
  ERR_PROTOCOL: {
    exit: 1,
    http: 502,
    about: "the peer broke the protocol: a frame of the wrong size, shape or order",
  },
  ERR_DIGEST: { exit: 1, http: 422, about: "received content does not match its announced digest" },
  ERR_UNREACHABLE: { exit: 4, http: 502, about: "an address cannot be reached, or the connection was lost" },
  ERR_LISTEN: { exit: 1, http: 500, about: "cannot listen on an address or port" },
} as const satisfies Readonly<Record<string, ErrorKind>>
