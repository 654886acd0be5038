/** Who may connect at all. */
export class AllowList {
  /** Addresses, CIDRs and host names. Throws `ERR_ADDRESS`. */
  static parse(_entries: readonly string[]): AllowList {
    throw new Error("not written yet")
  }

  /** Never rejects: what cannot be found out is false. */
  allows(_address: string): Promise<boolean> {
    throw new Error("not written yet")
  }
}
