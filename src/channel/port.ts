/** Where a node listens and an agent dials, unless told otherwise; FluxVault's own. */
export const defaultPort = 39_898
