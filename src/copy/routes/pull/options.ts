export interface PullOptions {
  /** This machine, as the container reaches it: `HOST[:PORT]`. Default: the gateway of its network. */
  readonly serveAddress?: string
  /** Serve over a temporary network that holds only the container. */
  readonly isolate?: boolean
  /** Gets what the receiver says, once it has ended. It comes from the container: escape it for a terminal. */
  readonly onReceiverOutput?: (text: string) => void
}
