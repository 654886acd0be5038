/**
 * What a peer sends may hold control characters that move the cursor, change a
 * terminal's title or forge a log line. Every such character, and the
 * bidirectional overrides, become a visible escape.
 */
export function escapeForTerminal(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are the very thing to find
  return text.replace(
    /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (c) => {
      const hex = c.charCodeAt(0).toString(16)
      return hex.length <= 2 ? `\\x${hex.padStart(2, "0")}` : `\\u${hex.padStart(4, "0")}`
    },
  )
}
