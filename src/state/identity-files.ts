import { rename } from "node:fs/promises"
import { join } from "node:path"
import { PurserError, isPurserError, systemErrorCode } from "../base/errors.ts"
import { loadIdentity, loadOrCreateIdentity, type Identity } from "../channel/identity.ts"
import type { Pin } from "../channel/pin.ts"

/**
 * The agent's identity, and the next one during a rotation. Enrolment strings hold
 * both pins during a rotation, so that nodes started then accept either.
 */

const fileIn = (stateDir: string): string => join(stateDir, "identity.pem")
const nextFileIn = (stateDir: string): string => join(stateDir, "identity-next.pem")

/** Returns the agent's identity, and creates it if it is missing. */
export async function agentIdentity(stateDir: string): Promise<Identity> {
  return await loadOrCreateIdentity(fileIn(stateDir))
}

/** Returns the next identity, and creates it if it is missing. */
export async function prepareNextIdentity(stateDir: string): Promise<Identity> {
  return await loadOrCreateIdentity(nextFileIn(stateDir))
}

/** Returns the next identity, or undefined if no rotation is in progress. */
export async function nextIdentity(stateDir: string): Promise<Identity | undefined> {
  try {
    return await loadIdentity(nextFileIn(stateDir))
  } catch (error) {
    if (isPurserError(error) && systemErrorCode(error.cause) === "ENOENT") return undefined
    throw error
  }
}

/** Replaces the agent's identity by the next one. Throws `ERR_IDENTITY` if none was prepared. */
export async function promoteNextIdentity(stateDir: string): Promise<Identity> {
  if ((await nextIdentity(stateDir)) === undefined) {
    throw new PurserError("ERR_IDENTITY", "no next identity was prepared", {
      hint: "run purser agent identity --next, enrol the nodes again, then run purser agent identity --promote",
    })
  }
  await rename(nextFileIn(stateDir), fileIn(stateDir))
  return await agentIdentity(stateDir)
}

/** Returns the pins for enrolment strings: the agent's, and during a rotation the next one. */
export async function agentPins(stateDir: string): Promise<Pin[]> {
  const present = await agentIdentity(stateDir)
  const next = await nextIdentity(stateDir)
  return next === undefined ? [present.pin] : [present.pin, next.pin]
}
