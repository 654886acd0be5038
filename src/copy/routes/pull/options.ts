export interface PullOptions {
  /** The address at which the container reaches this machine: `HOST[:PORT]`. Default: the gateway of its network. */
  readonly serveAddress?: string
  /** Whether to serve over a temporary network that holds only the container. */
  readonly isolate?: boolean
  /**
   * Called with the receiver's output once it has ended. The text comes from the container: escape it for a terminal.
   */
  readonly onReceiverOutput?: (text: string) => void
}
