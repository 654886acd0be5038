export const root: string
export const pins: Readonly<Record<18 | 22 | 24, { version: string; x64: string; arm64: string }>>
export function pinnedNodePath(major: 18 | 22 | 24): string
export function hasPinnedNode(): boolean
export function npm(args: readonly string[], cwd: string): void
export function bringNode(major: 18 | 22 | 24): string
