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
  /** Those made, and those to be made. */
  readonly #keys: Promise<RsaKey>[] = []
  #make: () => Promise<RsaKey>
  #last: Promise<unknown> = Promise.resolve()

  constructor(size: number, make: () => Promise<RsaKey> = createRsaKey) {
    this.#make = make
    while (this.#keys.length < size) this.#order()
  }

  /** The key that was ordered first. */
  async take(): Promise<RsaKey> {
    this.#order()
    return await (this.#keys.shift() ?? this.#make())
  }

  /** Makes no more. */
  close(): void {
    this.#make = () => Promise.reject(new Error("closed"))
  }

  #order(): void {
    const key = this.#last.then(() => this.#make())
    // Who takes it learns why there is none.
    this.#last = key.catch(() => {})
    this.#keys.push(key)
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
