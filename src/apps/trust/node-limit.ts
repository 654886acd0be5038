import type { NodeStore } from "../../state/nodes.ts"

/**
 * Returns the reason why a node at this address would be one more than the app may have, or undefined. A node at a
 * known address counts once, whatever its key.
 */
export function tooManyNodes(
  { name, maxNodes }: { readonly name: string; readonly maxNodes: number },
  address: string,
  { nodes, aliveMs }: { readonly nodes: NodeStore; readonly aliveMs: number },
): string | undefined {
  // Counting who is alive is only needed where it could be too many.
  const alive = nodes.countKnown(name) < maxNodes ? 0 : nodes.countAlive(name, aliveMs, address)
  if (alive < maxNodes) return undefined
  return `${name} has ${alive} nodes alive already, and max_nodes is ${maxNodes}`
}
