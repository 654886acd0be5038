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

/** `purser ca`: certificates of this host's own CA, and those that another CA gives. */
export function define(command: Command, action: CommandAction): void {
  defineAuthority(command, action)
  defineIssuing(command, action)
  defineLooking(command, action)
  defineExchange(command, action)
}

function defineAuthority(command: Command, action: CommandAction): void {
  withPassphrases(command.command("init").summary("make the root, and the intermediate that signs"), {
    root: true,
  })
    .description(
      "Makes a root and an intermediate, their keys under passphrases: asked for on a terminal (twice each), or from files.",
    )
    .option("--root-key <file>", "write the root's key there, and not into the state directory")
    .action(action(init))
  withPassphrases(
    command.command("intermediate").summary("make a new intermediate, which signs from then on"),
    { root: true },
  )
    .description(
      "Makes a new intermediate. It is what needs the root's key; the one before stays in the bundle.",
    )
    .option("--root-key <file>", "where the root's key is, when it is not in the state directory")
    .option("--revoke", "have the root take back the one before: after a theft")
    .action(action(newIntermediate))
  command
    .command("reindex")
    .summary("build the index anew from the records")
    .action(action((context) => reindex(context)))
}

function defineIssuing(command: Command, action: CommandAction): void {
  withNames(
    withPassphrases(command.command("issue").summary("make a key, and a certificate for it")).argument(
      "<name>",
      "what it is called here",
    ),
  )
    .option("--client", "for proving a client too")
    .option("--days <n>", "how long it is valid", parseDays)
    .option("--out <dir>", "write the files there too: key, certificate, chain, full chain, all in one")
    .action(action(runIssue))
  withPassphrases(command.command("sign").summary("sign a request for a key that is somewhere else"))
    .description(
      "Says on stderr what the request asks for, and prints the certificate and its chain. Only the names are taken from the request.",
    )
    .argument("<csr>", "file, PEM or DER; - is standard input")
    .requiredOption("--name <name>", "what it is called here")
    .option("--client", "for proving a client too")
    .option("--days <n>", "how long it is valid", parseDays)
    .option("--out <file>", "write the certificate and its chain there")
    .option("-y, --yes", "do not ask")
    .action(action(sign))
  withPassphrases(command.command("renew").summary("issue again, with a new key"))
    .argument("[name]", "of this name, whenever it ends")
    .option("--all", "all that end soon")
    .option(
      "--before <duration>",
      "with --all: that end within it (default: 30d, or a third of a shorter life)",
    )
    .action(action(runRenew))
  command
    .command("revoke")
    .summary("take a certificate back")
    .argument("<name-or-serial>", "the newest of that name, or that one")
    .option("--reason <reason>", "as RFC 5280 calls them: keyCompromise, superseded, …", "unspecified")
    .option("-y, --yes", "do not ask")
    .action(action(runRevoke))
  withPassphrases(command.command("crl").summary("print the list of what was revoked"))
    .description(
      "Prints the CRL of the intermediate that signs now, of each before it that has not ended, and of the root.",
    )
    .option("--der", "that of the intermediate that signs now, as DER")
    .option("--out <file>", "write it there")
    .action(action(printCrl))
}

function defineLooking(command: Command, action: CommandAction): void {
  command
    .command("ls")
    .summary("list certificates, and when they end")
    .option("--all", "those too that were replaced")
    .action(action(list))
  command
    .command("show")
    .summary("decode certificates, requests and revocation lists")
    .argument("[what]", "file (PEM, DER or PKCS#7), name of a certificate, or - for standard input")
    .action(action((context, _flags: object, what: string | undefined) => show(context, what)))
  command
    .command("root")
    .summary("print the root certificate, for others to trust")
    .option("--der", "as DER")
    .action(action(printRoot))
  command
    .command("bundle")
    .summary("print root and intermediates, for a service that verifies clients")
    .action(action((context) => printBundle(context)))
}

function defineExchange(command: Command, action: CommandAction): void {
  command
    .command("export")
    .summary("write a certificate, its key and its chain into files")
    .argument("<name>", "as purser ca ls shows it, or its serial number")
    .requiredOption("--out <dir>", "where to")
    .option("--format <list>", "pem, p12, truststore; with commas between", formats, ["pem"])
    .option("--legacy", "p12 and truststore for importers that know no AES")
    .option("--password-file <file>", "of p12 and truststore")
    .option("--password-fd <n>", "the same, from a file descriptor")
    .action(action(exportFiles))
  withNames(
    command
      .command("request")
      .summary("make a key, and a request for another CA")
      .argument("<name>", "what it is called here"),
  )
    .option("--client", "for proving a client too")
    .option("--out <file>", "write the request there")
    .action(action(request))
  command
    .command("import")
    .summary("take what another CA sent")
    .argument("<files...>", "PEM, DER or PKCS#7, in any order; - is standard input")
    .option("--root <file>", "the root of that CA, when it is not among the files")
    .action(action(importFiles))
  command
    .command("deploy")
    .summary("put a certificate into a running container, reload it, check that it serves it")
    .argument("<name>", "as purser ca ls shows it")
    .argument("<destination>", "CONTAINER:/directory/")
    .option("--reload <spec>", "afterwards: a signal (HUP), restart, exec:COMMAND or http:URL")
    .option(
      "--check <host:port>",
      "then: see that the new one is served there, else put the old one back (repeatable)",
      repeatable,
    )
    .option("--within <duration>", "how long a check may take (default: 10s)")
    .option("--owner <user[:group]>", "of the files (default: the user that the container runs as)")
    .option("--allow-disk", "let them lie on a disk")
    .action(
      // The only one that needs an engine.
      action(async (context, flags: DeployFlags, name: string, to: string) => {
        const { deploy } = await import("./deploy.ts")
        await deploy(context, flags, name, to)
      }),
    )
}

function withNames(command: Command): Command {
  return command
    .option("--dns <name>", "a host name, or *.name (repeatable)", repeatable)
    .option("--ip <address>", "an address (repeatable)", repeatable)
    .option("--email <address>", "a mail address (repeatable)", repeatable)
    .addOption(new Option("--key <type>", "of the key").choices(keyTypeNames))
}

function repeatable(value: string, earlier: readonly string[] = []): string[] {
  return [...earlier, value]
}

function parseDays(text: string): number {
  const days = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (days >= 1) return days
  throw new InvalidArgumentError("it is not a number of days.")
}
