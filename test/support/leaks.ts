import assert from "node:assert/strict"
import { appendFileSync } from "node:fs"
import { readdir, readFile } from "node:fs/promises"
import { join, relative } from "node:path"

/**
 * Looks for secrets where none may be. A test uses a marker as the content of a secret, does what a user
 * would, gathers what others can see, and asserts that the marker is nowhere in it, in no usual encoding.
 */

/** What others can see, and how to call it when something is found there. */
export interface Place {
  readonly name: string
  readonly content: string | Uint8Array
}

/**
 * A marker for a secret's content: long and random, so that it is nowhere by chance. The whole test run looks
 * for it on the engine's disk too (engine-sweep.ts), unless it is `planted`: a test puts it there on purpose.
 */
export function createMarker({ planted = false } = {}): string {
  const marker = `leak-${crypto.randomUUID()}`
  const markers = process.env["PURSER_TEST_MARKERS"]
  if (!planted && markers !== undefined)
    appendFileSync(markers, `${marker}\t${relative("", process.argv[1] ?? "")}\n`)
  return marker
}

/** Fails naming every place and encoding, but never printing the place's content. */
export function assertNoLeaks(markers: readonly string[], places: readonly Place[]): void {
  assert.ok(markers.length > 0 && places.length > 0, "a sweep needs a marker and a place")
  assert.deepEqual(findLeaks(markers, places), [])
}

/** `"stdout: marker 1 as base64"`, one for each finding. */
export function findLeaks(markers: readonly string[], places: readonly Place[]): string[] {
  const found: string[] = []
  for (const [index, marker] of markers.entries()) {
    assert.ok(marker.length >= 8, "a short marker is found by chance")
    const forms = formsOf(marker)
    for (const { name, content } of places) {
      const bytes = Buffer.from(content)
      for (const [form, needles] of forms) {
        if (needles.some((needle) => bytes.includes(needle)))
          found.push(`${name}: marker ${index + 1} as ${form}`)
      }
    }
  }
  return found
}

/** The marker in the encodings that programs use; base64 at each of the three offsets it can start at. */
function formsOf(marker: string): [form: string, needles: Buffer[]][] {
  const bytes = Buffer.from(marker)
  const at = (offset: number, encoding: "base64" | "base64url") => {
    const text = Buffer.concat([Buffer.alloc(offset), bytes])
      .toString(encoding)
      .replace(/=+$/, "")
    // The characters at both ends also hold bits of the neighbours.
    return Buffer.from(
      text.slice(offset === 0 ? 0 : offset + 1, (offset + bytes.length) % 3 === 0 ? undefined : -1),
    )
  }
  const hex = bytes.toString("hex")
  return [
    ["text", [bytes]],
    ["base64", [0, 1, 2].flatMap((offset) => [at(offset, "base64"), at(offset, "base64url")])],
    ["hex", [Buffer.from(hex), Buffer.from(hex.toUpperCase())]],
    ["URL encoding", [Buffer.from(encodeURIComponent(marker))]],
    ["JSON", [Buffer.from(JSON.stringify(marker).slice(1, -1))]],
    ["UTF-16", [Buffer.from(marker, "utf16le")]],
    ["its two halves", halves(marker)],
  ]
}

/** A cut-off value is one too: either half of a long marker. */
function halves(marker: string): Buffer[] {
  const middle = Math.floor(marker.length / 2)
  return middle < 12 ? [] : [Buffer.from(marker.slice(0, middle)), Buffer.from(marker.slice(middle))]
}

/** Every file under `directory`, and the names of all. `except` are paths that rightly hold the secret. */
export async function filesUnder(directory: string, except: readonly string[] = []): Promise<Place[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  const places: Place[] = [
    { name: `names in ${directory}`, content: entries.map(({ name }) => name).join("\n") },
  ]
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isFile() && !except.includes(path)) places.push({ name: path, content: await readFile(path) })
  }
  return places
}

/** Arguments and environment of every process we may look at. Linux only; elsewhere nothing. */
export async function processes(): Promise<Place[]> {
  if (process.platform !== "linux") return []
  const places: Place[] = []
  for (const pid of await readdir("/proc")) {
    if (!/^\d+$/.test(pid)) continue
    for (const file of ["cmdline", "environ"]) {
      const path = `/proc/${pid}/${file}`
      // It may be gone by now, or be another user's.
      const content = await readFile(path).catch(() => null)
      if (content !== null) places.push({ name: path, content })
    }
  }
  return places
}
