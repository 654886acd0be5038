import { rename } from "node:fs/promises"
import { join } from "node:path"
import { PurserError, isPurserError, systemErrorCode } from "../base/errors.ts"
import { loadIdentity, loadOrCreateIdentity, type Identity } from "../channel/identity.ts"
import type { Pin } from "../channel/pin.ts"

/**
 * The agent's key, and the one that will take its place. Enrolment strings
 * carry both pins meanwhile, so that nodes started in that time accept either.
 */

const fileIn = (stateDir: string): string => join(stateDir, "identity.pem")
const nextFileIn = (stateDir: string): string => join(stateDir, "identity-next.pem")

/** Made when there is none. */
export async function agentIdentity(stateDir: string): Promise<Identity> {
  return await loadOrCreateIdentity(fileIn(stateDir))
}

/** Made when there is none. */
export async function prepareNextIdentity(stateDir: string): Promise<Identity> {
  return await loadOrCreateIdentity(nextFileIn(stateDir))
}

/** Undefined while no rotation is under way. */
export async function nextIdentity(stateDir: string): Promise<Identity | undefined> {
  try {
    return await loadIdentity(nextFileIn(stateDir))
  } catch (error) {
    if (isPurserError(error) && systemErrorCode(error.cause) === "ENOENT") return undefined
    throw error
  }
}

/** The next key takes the place of the present one. Throws `ERR_IDENTITY` when none was prepared. */
export async function promoteNextIdentity(stateDir: string): Promise<Identity> {
  if ((await nextIdentity(stateDir)) === undefined) {
    throw new PurserError("ERR_IDENTITY", "no next identity was prepared", {
      hint: "purser agent identity --next, then enrol the nodes anew, then --promote",
    })
  }
  await rename(nextFileIn(stateDir), fileIn(stateDir))
  return await agentIdentity(stateDir)
}

/** For enrolment strings: the present pin, and the next one if there is one. */
export async function agentPins(stateDir: string): Promise<Pin[]> {
  const present = await agentIdentity(stateDir)
  const next = await nextIdentity(stateDir)
  return next === undefined ? [present.pin] : [present.pin, next.pin]
}
