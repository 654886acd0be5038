/**
 * Replaces control characters and bidirectional controls by visible escapes,
 * because a peer's text could otherwise move the cursor, change a terminal's
 * title or forge a log line.
 */
export function escapeForTerminal(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu, (c) => {
    const hex = c.charCodeAt(0).toString(16)
    return hex.length <= 2 ? `\\x${hex.padStart(2, "0")}` : `\\u${hex.padStart(4, "0")}`
  })
}
