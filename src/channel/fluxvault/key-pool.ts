import { generateKeyPair, type KeyObject } from "node:crypto"

export interface RsaKey {
  readonly privateKey: KeyObject
  /** SPKI, PEM. */
  readonly publicKeyPem: string
}

interface Waiter {
  resolve(key: RsaKey): void
  reject(error: unknown): void
}

/**
 * RSA keys made ahead of time, each handed out once: one costs about 100 ms,
 * which no agent should wait for, and which many connections at once should not
 * cost all together. They are made one after the other, and none for a
 * connection that is gone: whoever comes and goes must not keep others waiting.
 */
export class KeyPool {
  readonly #size: number
  readonly #make: () => Promise<RsaKey>
  readonly #ready: RsaKey[] = []
  /** In the order in which they came. Nobody waits while a key is ready. */
  readonly #waiting = new Set<Waiter>()
  #making = false
  #closed = false

  constructor(size: number, make: () => Promise<RsaKey> = createRsaKey) {
    this.#size = size
    this.#make = make
    void this.#fill()
  }

  /** The next key for whoever asked first. Throws the signal's reason, and then costs no key, or why none could be made. */
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

  /** Makes no more. */
  close(): void {
    this.#closed = true
  }

  /** Until as many are ready as should be, or one fails that nobody waits for: then the next one who asks begins anew. */
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
