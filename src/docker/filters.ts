/** Returns the API's `filters` for these labels (`key` or `key=value`), or undefined for none. */
export function labelFilter(labels: readonly string[] = []): string | undefined {
  return labels.length === 0 ? undefined : JSON.stringify({ label: labels })
}
