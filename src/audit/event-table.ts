import type { AuditEventTable } from "./event-description.ts"

/** The meaning of each kind of audit event and of its fields. `docs/audit.md` is generated from it. */

const app = { type: "text", about: "the app's name", example: "web" } as const
const address = {
  type: "text",
  about: "`host:port` of the node as it was dialled",
  example: "192.0.2.7:39898",
} as const
const pin = {
  type: "text",
  about: "the pin of the key that the node showed",
  example: "sha256:xgsQYx-d6QbQcIJTRGIb7xAV6xOznIsnujbnU3gVJyE",
} as const
const node = {
  type: "text",
  about: "the name that the node claims, which proves nothing",
  example: "front-1",
} as const
const protocol = {
  type: "choice",
  about: "absent with Purser's own protocol",
  values: { fluxvault: "[FluxVault's protocol](fluxvault.md), which has neither `pin` nor `node`" },
} as const
const directory = {
  type: "text",
  about: "the directory beside the agent",
  example: "/srv/web/secrets",
} as const
const container = {
  type: "text",
  about: "the container's full id",
  example: "d946db2ee685f64e106a9b4d60bcadb5e3754ef5ed9c12ceb2975b9de19894d0",
} as const
const name = { type: "text", about: "the container's name", example: "web-1" } as const

const request = {
  always: { app },
  sometimes: {
    address,
    pin,
    node,
    protocol,
    directory,
    container,
    name,
    action: { type: "text", about: "`file`, or the name of the action", example: "file" },
    secret: { type: "text", about: "the secret's name in the request", example: "db-password" },
    as: {
      type: "text",
      about: "the name by which the file was asked for, where the grant has an `as:`",
      example: ".env",
    },
  },
} as const

const certificate = {
  certificate: { type: "text", about: "the name by which the CA lists it", example: "www" },
  serial: { type: "text", about: "its serial number in hex", example: "c5a6c7d68fc48d0ae360e973867b138d" },
  names: {
    type: "text",
    about: "its names, separated by spaces",
    example: "www.example.org shop.example.org",
  },
  until: { type: "text", about: "the time at which it expires (UTC)", example: "2027-02-28T14:31:30.000Z" },
} as const

export const auditEvents: AuditEventTable = {
  delivered: {
    about: "a secret, or the result of an action, was sent",
    always: request.always,
    sometimes: {
      ...request.sometimes,
      content: {
        type: "text",
        about: "a tag of the secret that was sent, explained below; absent for the result of an action",
        example: "cf8d41f75a7ef0ca1c17377683dffe76a21fa0f2bbb173f1488e4cc2e55717c0",
      },
    },
  },
  missing: { about: "a request was not served: no source has the secret", ...request },
  denied: { about: "a request was not served: the app is not granted the secret or action", ...request },
  failed: {
    about: "a request was not served: the source or action failed",
    always: request.always,
    sometimes: {
      ...request.sometimes,
      reason: {
        type: "text",
        about: "the cause, where it is known; the agent's log has all of them",
        example: "it is not UTF-8 text, which is all that FluxVault's protocol can carry",
      },
    },
  },
  "rolled-back": {
    about: "new files were [not served](files.md#checks), and the previous ones were put back",
    always: {
      app,
      files: { type: "text", about: "their names or paths, separated by spaces", example: "tls.crt tls.key" },
      reason: {
        type: "text",
        about: "the check that failed",
        example: "the certificate sha256:2b8f9edc6ba1c69f is not served after 10000 ms",
      },
    },
    sometimes: { directory, container, name },
  },
  session: {
    about: "one delivery to a node is over",
    always: {
      app,
      address,
      status: {
        type: "choice",
        about: "how it ended",
        values: { ok: "every required file is in place", failed: "anything else" },
      },
      sent: { type: "number", about: "files that were sent", example: 2 },
      matched: {
        type: "number",
        about: "files that the node already had; they have no lines of their own",
        example: 1,
      },
      missing: { type: "number", about: "files that the node asked for and did not get", example: 0 },
    },
    sometimes: {
      pin,
      node,
      protocol,
      group: { type: "text", about: "the key exchange group of TLS", example: "X25519MLKEM768" },
      error: { type: "error code", about: "the [error](errors.md) that ended it", example: "ERR_TIMEOUT" },
    },
  },
  rejected: {
    about: "a peer was not trusted, or a container asked for an app that it may not have",
    always: { app, reason: { type: "text", about: "the cause", example: "it has no token" } },
    sometimes: {
      address,
      pin,
      node,
      protocol,
      container,
      name,
      image: {
        type: "text",
        about: "the id of the container's image",
        example: "sha256:849cb89620afb8bb67e6eb27228c508e27644b4d884296bf98f2f95c5ba168c4",
      },
    },
  },
  alert: {
    about: "an operator should look at this",
    always: {
      app,
      address,
      reason: {
        type: "choice",
        about: "the cause",
        values: {
          "waits for approval": "a new node waits for `purser nodes approve`",
          max_nodes: "a node asked beyond the limit `max_nodes`",
        },
      },
    },
    sometimes: { pin, node, protocol },
  },
  trust: {
    about: "a node replaced another, or an operator decided about one",
    always: {},
    sometimes: {
      app,
      address,
      pin,
      node,
      replaces: {
        type: "text",
        about: "the pin of the previous node at this address",
        example: "sha256:QAvb1GEDwLoORtRxjACKyYJtLqdSRZoRVw6VH5b_i3E",
      },
      change: {
        type: "choice",
        about: "the decision, made by `purser nodes`",
        values: {
          approved: "the node with this `pin` is trusted",
          rejected: "the node with this `pin` is not trusted",
          forgotten: "every node with this `pin` or `address` was forgotten",
        },
      },
    },
  },
  enrolment: {
    about: "the token of an app changed, or was shown",
    always: {
      app,
      change: {
        type: "choice",
        about: "the change",
        values: {
          created: "its first token was made",
          shown: "the enrolment string was printed again",
          rotated: "a new token was made",
          revoked: "every token was revoked",
        },
      },
    },
    sometimes: { tokens: { type: "number", about: "how many tokens were revoked", example: 2 } },
  },
  identity: {
    about: "the key of the agent changes",
    always: {
      change: {
        type: "choice",
        about: "the change",
        values: { prepared: "the next key was made", promoted: "the next key is the agent's key now" },
      },
      pin: { ...pin, about: "the pin of that key" },
    },
    sometimes: {},
  },
  issued: {
    about: "a source of the agent had a certificate made for the first time",
    always: certificate,
    sometimes: {},
  },
  renewed: {
    about: "a source of the agent had a certificate made again",
    always: certificate,
    sometimes: {},
  },
  signed: {
    about: "a node had a certificate signed by the action `certificate`",
    always: { app, node, pin, address, ...certificate },
    sometimes: {},
  },
}
