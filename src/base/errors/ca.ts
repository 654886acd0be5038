import type { ErrorKind } from "./error-kind.ts"

export const caErrors = {
  ERR_CA: {
    exit: 1,
    http: 409,
    about: "there is no CA here, there is one already, or its files cannot be used",
  },
  ERR_CA_POLICY: {
    exit: 3,
    http: 403,
    about: "the CA's or the app's policy does not allow this certificate",
  },
  ERR_CERTIFICATE: {
    exit: 1,
    http: 422,
    about: "a certificate, a chain or a certificate request is damaged or wrong",
  },
  ERR_PASSPHRASE: {
    exit: 1,
    http: 403,
    about: "the passphrase of a CA's key is wrong or missing, or the key is damaged",
  },
  ERR_CA_INDEX: {
    exit: 1,
    http: 500,
    about: "the index of the CA is damaged; purser ca reindex rebuilds it",
  },
  ERR_REVOKED: { exit: 1, http: 409, about: "the certificate has been revoked already" },
  ERR_CLOCK: { exit: 1, http: 503, about: "the clock of this machine is before the CA's start" },
  ERR_WAITING: { exit: 1, http: 409, about: "another CA has not answered the certificate request yet" },
} as const satisfies Readonly<Record<string, ErrorKind>>
