import { readResponse } from "./body.ts"
import { containerPath } from "./containers.ts"
import type { Engine } from "./engine.ts"

/**
 * Reads and writes files of a container through the engine. Both calls see layers and volumes, never a --tmpfs mount:
 * a PUT below such a mount answers 200 but writes to the disk under the mount, and a GET reads it back from there.
 * https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/PutContainerArchive
 */

const maxArchiveBytes = 64 * 1024 * 1024

/** Unpacks `tar` in `directory`, which must exist in the container. */
export async function putArchive(
  engine: Engine,
  id: string,
  directory: string,
  tar: Uint8Array,
  signal: AbortSignal,
): Promise<void> {
  await engine.json({
    method: "PUT",
    path: `${containerPath(id)}/archive`,
    query: { path: directory, noOverwriteDirNonDir: "1" },
    body: tar,
    contentType: "application/x-tar",
    signal,
  })
}

/**
 * Returns a tar of this file or directory. Throws `ERR_LIMIT` above 64 MiB, and `ERR_DOCKER` with status 404 for a
 * missing path.
 */
export async function getArchive(
  engine: Engine,
  id: string,
  path: string,
  signal: AbortSignal,
): Promise<Buffer> {
  const { body } = await engine.request({ path: `${containerPath(id)}/archive`, query: { path }, signal })
  return await readResponse(body, maxArchiveBytes, signal)
}
