import type { CommandModule } from "./command.ts"

/** An entry of the command table, as `purser --help` shows it. Importing the table loads no command. */
export interface CommandEntry {
  readonly name: string
  readonly alias?: string
  readonly summary: string
  /** Undefined for `node` and `health`, which `main.ts` starts without commander. */
  readonly load?: () => Promise<CommandModule>
  /** Subcommands in files of their own, in addition to those that its file defines. */
  readonly below?: readonly CommandEntry[]
}

export const groups: readonly { readonly title: string; readonly commands: readonly CommandEntry[] }[] = [
  {
    title: "Secrets at rest:",
    commands: [
      {
        name: "secret",
        summary: "keep secrets in Purser's own encrypted store",
        load: () => import("./secret.ts"),
      },
    ],
  },
  {
    title: "Delivery:",
    commands: [
      {
        name: "agent",
        summary: "deliver secrets to the nodes and directories of apps",
        load: () => import("./agent/agent.ts"),
        below: [
          {
            name: "identity",
            summary: "show or rotate the agent's own key",
            load: () => import("./agent/identity.ts"),
          },
        ],
      },
      { name: "node", summary: "receive secrets in a container, and start or reload a command" },
      {
        name: "enrol",
        alias: "enroll",
        summary: "print the enrolment string of an app",
        load: () => import("./agent/enrol.ts"),
      },
      {
        name: "nodes",
        summary: "list, approve, reject and forget nodes",
        load: () => import("./agent/nodes.ts"),
      },
    ],
  },
  {
    title: "Containers on this host:",
    commands: [
      {
        name: "cp",
        summary: "copy files into running containers, verified and in memory",
        load: () => import("./cp/cp.ts"),
      },
      {
        name: "run",
        summary: "docker run with secrets in place before the container starts",
        load: () => import("./run/run.ts"),
      },
      {
        name: "doctor",
        summary: "find leaked secrets on an engine, and say how to fix each leak",
        load: () => import("./doctor.ts"),
      },
    ],
  },
  {
    title: "Certificates:",
    commands: [
      {
        name: "ca",
        summary: "make, request, renew and deploy certificates",
        load: () => import("./ca/ca.ts"),
      },
    ],
  },
  {
    title: "Operation:",
    commands: [
      {
        name: "check",
        summary: "check configuration and sources, without acting",
        load: () => import("./check.ts"),
      },
      {
        name: "audit",
        summary: "show, follow and verify the audit log",
        load: () => import("./audit.ts"),
      },
      { name: "config", summary: "print the JSON Schema of purser.yaml", load: () => import("./config.ts") },
      {
        name: "completion",
        summary: "print a script that completes commands, options and names in a shell",
        load: () => import("./completion/completion.ts"),
      },
      { name: "health", summary: "tell whether the node or agent here has its files in place" },
    ],
  },
]
