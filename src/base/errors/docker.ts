import type { ErrorKind } from "./error-kind.ts"

export const dockerErrors = {
  ERR_DOCKER_UNREACHABLE: { exit: 4, http: 503, about: "the container engine cannot be reached" },
  ERR_DOCKER: { exit: 1, http: 502, about: "the container engine answered with an error" },
  ERR_NO_SUCH_CONTAINER: { exit: 1, http: 404, about: "the engine has no container of this name or id" },
  ERR_NO_SUCH_IMAGE: { exit: 1, http: 404, about: "the engine has no image of this name or id" },
  ERR_NOT_RUNNING: { exit: 1, http: 409, about: "the container is not running" },
  ERR_CONTAINER_PAUSED: {
    exit: 1,
    http: 409,
    about: "the container is paused, and nothing can be started in it",
  },
} as const satisfies Readonly<Record<string, ErrorKind>>
