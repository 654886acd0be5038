import { generateKeyPair, type KeyObject } from "node:crypto"

export interface RsaKey {
  readonly privateKey: KeyObject
  /** SPKI, PEM. */
  readonly publicKeyPem: string
}

/**
 * RSA keys made ahead of time, each handed out once: one costs about 100 ms,
 * which no agent should wait for, and which many connections at once should not
 * cost all together. They are made one after the other.
 */
export class KeyPool {
  readonly #most: number
  readonly #make: () => Promise<RsaKey>
  readonly #keys: RsaKey[] = []
  readonly #waiting: ((key: Promise<RsaKey>) => void)[] = []
  #making = false
  #closed = false

  constructor(most: number, make: () => Promise<RsaKey> = createRsaKey) {
    this.#most = most
    this.#make = make
    void this.#fill()
  }

  get size(): number {
    return this.#keys.length
  }

  async take(): Promise<RsaKey> {
    const key = this.#keys.shift()
    void this.#fill()
    return key ?? (await new Promise((resolve) => this.#waiting.push(resolve)))
  }

  /** Makes no more. Who waits gets the last one that is being made, or waits for ever. */
  close(): void {
    this.#closed = true
  }

  async #fill(): Promise<void> {
    if (this.#making) return
    this.#making = true
    while (!this.#closed && (this.#waiting.length > 0 || this.#keys.length < this.#most)) {
      const key = this.#make()
      const made = await key.catch(() => undefined)
      const next = this.#waiting.shift()
      // Who waits learns why there is none; ahead of time nobody needs to.
      if (next !== undefined) next(key)
      else if (made === undefined) break
      else this.#keys.push(made)
    }
    this.#making = false
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
