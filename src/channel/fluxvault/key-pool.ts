import { generateKeyPair, type KeyObject } from "node:crypto"

export interface RsaKey {
  readonly privateKey: KeyObject
  /** SPKI in PEM. */
  readonly publicKeyPem: string
}

interface Waiter {
  resolve(key: RsaKey): void
  reject(error: unknown): void
}

/**
 * RSA keys made in advance, each handed out once, because a key takes about
 * 100 ms and an agent should not wait for it. Keys are made one after the other,
 * so that many connections do not use all processors, and none is made for a
 * closed connection, so that short-lived connections do not delay others.
 */
export class KeyPool {
  readonly #size: number
  readonly #make: () => Promise<RsaKey>
  readonly #ready: RsaKey[] = []
  /** Callers that wait, in order of arrival. Empty while a key is ready. */
  readonly #waiting = new Set<Waiter>()
  #making = false
  #closed = false

  constructor(size: number, make: () => Promise<RsaKey> = createRsaKey) {
    this.#size = size
    this.#make = make
    void this.#fill()
  }

  /**
   * Resolves with a key; callers are served in order. Throws the signal's reason, without using up a key, or the error
   * of making one.
   */
  take(signal: AbortSignal): Promise<RsaKey> {
    const { promise, resolve, reject } = Promise.withResolvers<RsaKey>()
    const key = signal.aborted ? undefined : this.#ready.shift()
    if (signal.aborted) reject(signal.reason)
    else if (key !== undefined) resolve(key)
    else {
      const waiter: Waiter = { resolve, reject }
      this.#waiting.add(waiter)
      const onAbort = (): void => {
        if (this.#waiting.delete(waiter)) reject(signal.reason)
      }
      signal.addEventListener("abort", onAbort, { once: true })
    }
    void this.#fill()
    return promise
  }

  /** Stops making keys. */
  close(): void {
    this.#closed = true
  }

  /** Makes keys until enough are ready. A failure without a waiting caller stops it until the next call of `take`. */
  async #fill(): Promise<void> {
    if (this.#making) return
    this.#making = true
    for (let goesOn = true; goesOn && !this.#closed && this.#ready.length < this.#size;) {
      try {
        const key = await this.#make()
        const first = this.#first()
        if (first === undefined) this.#ready.push(key)
        else first.resolve(key)
      } catch (error) {
        const first = this.#first()
        first?.reject(error)
        goesOn = first !== undefined
      }
    }
    this.#making = false
  }

  #first(): Waiter | undefined {
    const [first] = this.#waiting
    if (first !== undefined) this.#waiting.delete(first)
    return first
  }
}

async function createRsaKey(): Promise<RsaKey> {
  return await new Promise((resolve, reject) => {
    generateKeyPair("rsa", { modulusLength: 2048 }, (error, publicKey, privateKey) => {
      if (error) reject(error)
      else resolve({ privateKey, publicKeyPem: publicKey.export({ type: "spki", format: "pem" }).toString() })
    })
  })
}
