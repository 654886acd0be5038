import { posix } from "node:path"
import { PurserError } from "../../base/errors.ts"
import { quote } from "../../base/names.ts"
import type { Ca } from "../../ca/ca.ts"
import type { CertificateRecord } from "../../ca/records/record.ts"
import { certificateFiles } from "../../ca/certificate-files.ts"
import { deployToContainer } from "../../copy/deploy.ts"
import type { FileToCopy } from "../../copy/route.ts"
import { inspectContainer } from "../../docker/containers.ts"
import { parseCheck, type Check } from "../../rollout/check.ts"
import { parseReload } from "../../rollout/reload.ts"
import { factsOf, findRecord, withCa } from "./command.ts"
import type { Context } from "../command.ts"
import { parseDestination } from "../cp/destination.ts"
import { openEngine } from "../../wiring/open-engine.ts"
import { openContextOf } from "../load-config.ts"

export interface DeployFlags {
  readonly reload?: string
  readonly check?: readonly string[]
  readonly within?: string
  readonly owner?: string
  readonly allowDisk?: boolean
}

/** `purser ca deploy`: puts a certificate into a container once; renewals are the agent's job. */
export async function deploy(context: Context, flags: DeployFlags, name: string, to: string): Promise<void> {
  const { container: target, path, isDirectory } = parseDestination(to)
  if (target === undefined || !isDirectory) {
    throw new PurserError("ERR_USAGE", `${quote(to)} is not a directory in a container`, {
      hint: "write CONTAINER:/run/secrets/ with a slash at the end; tls.crt, tls.key and ca.crt go into it",
    })
  }
  const reload = flags.reload === undefined ? undefined : parseReload(flags.reload)
  const checks = checksOf(flags)
  await withCa(context, {}, async (ca) => {
    const record = await findRecord(ca, name)
    const files = await filesOf(ca, record, path, flags.owner)
    await using engine = await openEngine(openContextOf(context), context.signal)
    const container = await inspectContainer(engine, target, context.signal)
    const { written, unchanged, reloaded, checked, route } = await deployToContainer(
      engine,
      container,
      files,
      {
        requireTmpfs: flags.allowDisk !== true,
        log: context.log,
        signal: context.signal,
        checks,
        ...(reload === undefined ? {} : { reload }),
      },
    )
    const did = [
      written.length > 0 ? `${written.length} written` : "unchanged",
      ...(reloaded ? ["reloaded"] : []),
      ...(checked ? ["the new certificate is served"] : []),
    ]
    context.output.result(
      { ...factsOf(record), container: container.name, route, written, unchanged, reloaded, checked },
      `${name}: in ${container.name}:${posix.join(path, "/")}, ${did.join(", ")}`,
    )
  })
}

/** Throws `ERR_USAGE`. */
function checksOf({ check = [], within }: DeployFlags): readonly Check[] {
  if (within !== undefined && check.length === 0) throw new PurserError("ERR_USAGE", "--within needs --check")
  return check.map((text) =>
    parseCheck(within === undefined || /\swithin=/.test(text) ? text : `${text} within=${within}`),
  )
}

async function filesOf(
  ca: Ca,
  record: CertificateRecord,
  directory: string,
  owner: string | undefined,
): Promise<FileToCopy[]> {
  const key = record.hasKey ? await ca.keyOf(record) : null
  if (key === null) {
    throw new PurserError("ERR_CA", `the key of ${quote(record.name)} is kept elsewhere`, {
      hint: `export the certificate and copy it to its key: purser ca export ${record.name} --out DIR`,
    })
  }
  const set = certificateFiles(record, key, record.root ?? (await ca.root()))
  return [...set].map(([name, content]) => ({
    path: posix.join(directory, name),
    content,
    mode: 0o400,
    ...(owner === undefined ? {} : { owner }),
  }))
}
