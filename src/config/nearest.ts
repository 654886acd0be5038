/** Returns the candidate that a user who wrote `word` most likely meant, or undefined if none is near. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  // At most one typing error in three letters, and at most three in all.
  let best = Math.min(3, Math.max(1, Math.floor(word.length / 3))) + 1
  let found: string | undefined
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - word.length) >= best) continue
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase())
    if (distance < best) {
      best = distance
      found = candidate
    }
  }
  return found
}

/** Returns the optimal string alignment distance: insertions, deletions, replacements, and swaps of neighbours. */
function editDistance(a: string, b: string): number {
  let previous: number[] = []
  let current = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const next = [row]
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1]
      let cost = Math.min(
        cell(current, column) + 1,
        cell(next, column - 1) + 1,
        cell(current, column - 1) + (same ? 0 : 1),
      )
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]
      if (swapped) cost = Math.min(cost, cell(previous, column - 2) + 1)
      next.push(cost)
    }
    previous = current
    current = next
  }
  return cell(current, b.length)
}

function cell(row: readonly number[], column: number): number {
  return row[column] ?? 0
}
