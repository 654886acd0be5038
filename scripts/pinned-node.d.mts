export const root: string
export const pins: Readonly<Record<18 | 22 | 24, { version: string; x64: string; arm64: string }>>
export type Arch = "x64" | "arm64"
/** For this machine's kind where none is given. */
export function pinnedNodePath(major: 18 | 22 | 24, arch?: Arch): string
export function hasPinnedNode(): boolean
export function npm(args: readonly string[], cwd: string): void
export function bringNode(major: 18 | 22 | 24, arch?: Arch): string
