import type { NodeStore } from "../../state/nodes.ts"

/**
 * Returns why a node at this address would exceed the app's limit, or undefined. A known address counts once, whatever
 * the node's key.
 */
export function tooManyNodes(
  { name, maxNodes }: { readonly name: string; readonly maxNodes: number },
  address: string,
  { nodes, aliveMs }: { readonly nodes: NodeStore; readonly aliveMs: number },
): string | undefined {
  // Alive nodes are counted only if the known ones reach the limit.
  const alive = nodes.countKnown(name) < maxNodes ? 0 : nodes.countAlive(name, aliveMs, address)
  if (alive < maxNodes) return undefined
  return `${name} has ${alive} nodes alive already, and max_nodes is ${maxNodes}`
}
