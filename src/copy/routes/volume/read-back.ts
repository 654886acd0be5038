import { readEntryIn } from "../../../docker/read-file.ts"
import type { ReadBack, RouteQuery } from "../../route.ts"

/** Reads files by the engine's archive call. The caller proves first that it sees what the container sees. */
export function archiveReadBack({ engine, container, signal }: RouteQuery): ReadBack {
  return {
    how: "read back from the volume, because neither its process nor a shell in it can be used",
    async look(path, content) {
      const file = await readEntryIn(engine, container.id, path, signal)
      if (file?.type !== "file") return null
      const { mode, uid, gid } = file
      return { same: file.content.equals(content.reveal()), mode, uid, gid }
    },
    async [Symbol.asyncDispose]() {},
  }
}
