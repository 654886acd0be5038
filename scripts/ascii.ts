/**
 * Bundles that are ASCII. V8 keeps a text with one other character in two bytes a character, all of it, and so a
 * dash in a message would double what a chunk takes in memory.
 */

// oxlint-disable-next-line no-control-regex -- all of ASCII
const other = /[^\0-\x7f]/g

/**
 * Escapes every other character. They stand in strings, templates and patterns alone, where `\u` means the same. Throws
 * for a raw template, where it does not. Lines stay the lines that they are.
 */
export function escapeOthers(code: string): string {
  for (const [template] of code.matchAll(/\braw`[^`]*`/g))
    if (template.search(other) >= 0) throw new Error(`a raw template is not ASCII: ${template.slice(0, 60)}`)
  return code.replace(other, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
}
