/**
 * Splits DER of our own certificates into elements, without copying and without knowing types, to repeat a part such as
 * the subject byte for byte. Certificates from other issuers are parsed by a library.
 */

/** Returns the elements within a constructed one, each with its header. Throws a `TypeError` if it is not DER. */
export function childrenOf(element: Buffer): Buffer[] {
  return elementsIn(contentOf(element))
}

export function contentOf(element: Buffer): Buffer {
  const { header, length } = sizesOf(element)
  return element.subarray(header, header + length)
}

/**
 * Throws a `TypeError` unless `bytes` are exactly one element and DER at every level (X.690 sections 10 and 11): definite
 * shortest lengths, and strings in one piece. Other BER is refused, because two programs may read it differently.
 */
export function assertDer(bytes: Buffer): void {
  const [element, ...more] = elementsIn(bytes)
  if (element === undefined || more.length > 0) throw new TypeError("not one element")
  assertElement(element, deepest)
}

/** The deepest nesting that is accepted; certificates and requests have about ten levels. */
const deepest = 32

function assertElement(element: Buffer, levels: number): void {
  const tag = element[0] ?? 0
  const { header, length } = sizesOf(element)
  const isConstructed = (tag & 0x20) !== 0
  const isUniversal = (tag & 0xc0) === 0
  // SEQUENCE (16) and SET (17) are the only constructed universal types. Tags above 30 do not occur here.
  const isKnown = (tag & 0x1f) !== 0x1f && (!isUniversal || isConstructed === [16, 17].includes(tag & 0x1f))
  const isShortest = header === 2 || (length >= 0x80 && element[2] !== 0)
  if (!isKnown || !isShortest || levels === 0) throw new TypeError("not DER")
  if (isConstructed) for (const child of childrenOf(element)) assertElement(child, levels - 1)
}

function elementsIn(bytes: Buffer): Buffer[] {
  const elements: Buffer[] = []
  for (let rest = bytes; rest.length > 0;) {
    const { header, length } = sizesOf(rest)
    elements.push(rest.subarray(0, header + length))
    rest = rest.subarray(header + length)
  }
  return elements
}

function sizesOf(element: Buffer): { header: number; length: number } {
  const first = element[1] ?? 0x80
  const count = first < 0x80 ? 0 : first & 0x7f
  const header = 2 + count
  if (first === 0x80 || count > 4 || element.length < header) throw new TypeError("not DER")
  const length = count === 0 ? first : element.readUIntBE(2, count)
  if (element.length < header + length) throw new TypeError("not DER")
  return { header, length }
}

/**
 * Returns the subject of a certificate, byte for byte (RFC 5280 section 4.1: the sixth element, after version to
 * validity).
 */
export function subjectOf(certificate: Buffer): Buffer {
  const [body] = childrenOf(certificate)
  const subject = body && childrenOf(body)[5]
  if (subject === undefined) throw new TypeError("not a certificate")
  return subject
}
