import { InvalidArgumentError, Option, type Command } from "commander"
import { keyTypeNames } from "../../x509/key-families.ts"
import type { CommandAction } from "../command.ts"
import { init, newIntermediate, reindex } from "./authority.ts"
import type { DeployFlags } from "./deploy.ts"
import { exportFiles, formats, importFiles, request } from "./exchange.ts"
import { runIssue, sign } from "./issue.ts"
import { list, printBundle, printRoot, show } from "./look.ts"
import { runRenew } from "./renew.ts"
import { printCrl, runRevoke } from "./revoke.ts"
import { withPassphrases } from "./open.ts"

/** `purser ca`: certificates of this host's own CA, and of other CAs. Defines the flags; each command has its own file. */
export function define(command: Command, action: CommandAction): void {
  defineAuthority(command, action)
  defineIssuing(command, action)
  defineLooking(command, action)
  defineExchange(command, action)
}

function defineAuthority(command: Command, action: CommandAction): void {
  withPassphrases(command.command("init").summary("make the root and the intermediate that issues"), {
    root: true,
  })
    .description(
      "Makes a root and an intermediate. Their keys are encrypted under passphrases, asked for on the terminal (twice each) or read from files.",
    )
    .option("--root-key <file>", "write the root's key to this file, not into the state directory")
    .action(action(init))
  withPassphrases(
    command.command("intermediate").summary("make a new intermediate, which issues from then on"),
    { root: true },
  )
    .description(
      "Makes a new intermediate, which needs the root's key. The previous intermediate stays in the bundle until it expires.",
    )
    .option("--root-key <file>", "the root's key, if it is not in the state directory")
    .option("--revoke", "revoke the previous intermediate, after a theft")
    .action(action(newIntermediate))
  command
    .command("reindex")
    .summary("rebuild the index from the records")
    .action(action((context) => reindex(context)))
}

function defineIssuing(command: Command, action: CommandAction): void {
  withNames(
    withPassphrases(command.command("issue").summary("make a key and a certificate for it")).argument(
      "<name>",
      "name of the certificate",
    ),
  )
    .option("--client", "also allow its use by a client")
    .option("--days <n>", "lifetime in days", parseDays)
    .option("--out <dir>", "also write the files there: key, certificate, chain, full chain, all in one")
    .action(action(runIssue))
  withPassphrases(command.command("sign").summary("sign a request for a key that is kept elsewhere"))
    .description(
      "Shows on stderr what the request asks for, and prints the certificate and its chain. Only the key and the names are taken from the request.",
    )
    .argument("<csr>", "file, PEM or DER; - is standard input")
    .requiredOption("--name <name>", "name of the certificate")
    .option("--client", "also allow its use by a client")
    .option("--days <n>", "lifetime in days", parseDays)
    .option("--out <file>", "write the certificate and its chain to this file")
    .option("-y, --yes", "do not ask")
    .action(action(sign))
  withPassphrases(command.command("renew").summary("issue again, with a new key"))
    .argument("[name]", "certificate to renew, regardless of expiry")
    .option("--all", "renew all certificates that expire soon")
    .option(
      "--before <duration>",
      "with --all: those that expire within this time (default: 30d, or a third of a shorter lifetime)",
    )
    .action(action(runRenew))
  command
    .command("revoke")
    .summary("revoke a certificate")
    .argument("<name-or-serial>", "newest certificate of this name, or serial number")
    .option("--reason <reason>", "reason of RFC 5280: keyCompromise, superseded, …", "unspecified")
    .option("-y, --yes", "do not ask")
    .action(action(runRevoke))
  withPassphrases(command.command("crl").summary("print the lists of revoked certificates (CRLs)"))
    .description(
      "Prints the CRLs of the current intermediate, of each previous one that has not expired, and of the root.",
    )
    .option("--der", "only that of the current intermediate, as DER")
    .option("--out <file>", "write to this file")
    .action(action(printCrl))
}

function defineLooking(command: Command, action: CommandAction): void {
  command
    .command("ls")
    .summary("list certificates and their expiry")
    .option("--all", "include replaced certificates")
    .action(action(list))
  command
    .command("show")
    .summary("decode certificates, requests and revocation lists")
    .argument("[what]", "file (PEM, DER or PKCS#7), name of a certificate, or - for standard input")
    .action(action((context, _flags: object, what: string | undefined) => show(context, what)))
  command
    .command("root")
    .summary("print the root certificate, for clients to trust")
    .option("--der", "as DER")
    .action(action(printRoot))
  command
    .command("bundle")
    .summary("print the root and intermediates, for a service that verifies clients")
    .action(action((context) => printBundle(context)))
}

function defineExchange(command: Command, action: CommandAction): void {
  command
    .command("export")
    .summary("write a certificate, its key and its chain into files")
    .argument("<name>", "as purser ca ls shows it, or its serial number")
    .requiredOption("--out <dir>", "directory for the files")
    .option("--format <list>", "pem, p12, truststore; separated by commas", formats, ["pem"])
    .option("--legacy", "p12 and truststore for importers without AES")
    .option("--password-file <file>", "password of p12 and truststore")
    .option("--password-fd <n>", "the same, from a file descriptor")
    .action(action(exportFiles))
  withNames(
    command
      .command("request")
      .summary("make a key and a request for another CA")
      .argument("<name>", "name of the certificate"),
  )
    .option("--client", "also meant for use by a client")
    .option("--out <file>", "write the request to this file")
    .action(action(request))
  command
    .command("import")
    .summary("import a certificate that another CA issued")
    .argument("<files...>", "PEM, DER or PKCS#7, in any order; - is standard input")
    .option("--root <file>", "root of that CA, if it is not among the files")
    .action(action(importFiles))
  command
    .command("deploy")
    .summary("put a certificate into a running container, reload it and check that it is served")
    .argument("<name>", "as purser ca ls shows it")
    .argument("<destination>", "CONTAINER:/directory/")
    .option("--reload <spec>", "action after writing: a signal (HUP), restart, exec:COMMAND or http:URL")
    .option(
      "--check <host:port>",
      "check that the new certificate is served there, or else roll back (repeatable)",
      repeatable,
    )
    .option("--within <duration>", "time limit of a check (default: 10s)")
    .option("--owner <user[:group]>", "owner of the files (default: the container's user)")
    .option("--allow-disk", "allow a destination on disk")
    .action(
      // It is loaded on use, because only this command needs an engine.
      action(async (context, flags: DeployFlags, name: string, to: string) => {
        const { deploy } = await import("./deploy.ts")
        await deploy(context, flags, name, to)
      }),
    )
}

function withNames(command: Command): Command {
  return command
    .option("--dns <name>", "host name, or *.name (repeatable)", repeatable)
    .option("--ip <address>", "IP address (repeatable)", repeatable)
    .option("--email <address>", "mail address (repeatable)", repeatable)
    .addOption(new Option("--key <type>", "type of the key").choices(keyTypeNames))
}

function repeatable(value: string, earlier: readonly string[] = []): string[] {
  return [...earlier, value]
}

function parseDays(text: string): number {
  const days = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (days >= 1) return days
  throw new InvalidArgumentError("it is not a number of days.")
}
