import { readResponse } from "./body.ts"
import { containerPath } from "./containers.ts"
import type { Engine } from "./engine.ts"

/**
 * Files of a container through the engine. This sees the layers and volumes, never a --tmpfs mount: there a PUT
 * answers 200 and leaves the content on disk below the mount, where a GET "confirms" it.
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

/** A tar of this file or directory, at most 64 MiB (`ERR_LIMIT`). A path that is not there is `ERR_DOCKER` with status 404. */
export async function getArchive(
  engine: Engine,
  id: string,
  path: string,
  signal: AbortSignal,
): Promise<Buffer> {
  const { body } = await engine.request({ path: `${containerPath(id)}/archive`, query: { path }, signal })
  return await readResponse(body, maxArchiveBytes, signal)
}
