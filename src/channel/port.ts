/** The default port at which a node listens and an agent dials, the same as FluxVault's. */
export const defaultPort = 39_898
