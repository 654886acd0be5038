/** Small things that every measurement needs. Absolute times of a noisy machine mean little: medians and ratios are what is reported. */

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

/** User and system time of this process since `before`, in milliseconds. */
export function cpuMs(before?: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

/** Runs `work` on each item, at most `most` at a time. */
export async function eachOf<T>(
  items: readonly T[],
  most: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const rest = items.values()
  await Promise.all(
    Array.from({ length: Math.min(most, items.length) }, async () => {
      for (const item of rest) await work(item)
    }),
  )
}

/** One row of a table in `docs/performance.md`. */
export interface Row {
  readonly what: string
  /** By column title. */
  readonly figures: Readonly<Record<string, string>>
}

export interface Section {
  readonly title: string
  /** The measured work, and the work that it is compared with. */
  readonly text: string
  readonly rows: readonly Row[]
  /** Bars of the chart: a ratio to the floor. */
  readonly ratios?: readonly { readonly what: string; readonly ratio: number }[]
}
