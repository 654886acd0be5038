/**
 * Takes DER of our own certificates apart, without copying and without knowing types: what has to be repeated byte for
 * byte, a subject say, is cut out. What comes from elsewhere is read by a library.
 */

/** The elements within a constructed one, each with its header. Throws a `TypeError` for what is not DER. */
export function childrenOf(element: Buffer): Buffer[] {
  const children: Buffer[] = []
  for (let rest = contentOf(element); rest.length > 0;) {
    const { header, length } = sizesOf(rest)
    children.push(rest.subarray(0, header + length))
    rest = rest.subarray(header + length)
  }
  return children
}

export function contentOf(element: Buffer): Buffer {
  const { header, length } = sizesOf(element)
  return element.subarray(header, header + length)
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

/** The subject of a certificate, byte for byte (RFC 5280 section 4.1: the sixth element, after version to validity). */
export function subjectOf(certificate: Buffer): Buffer {
  const [body] = childrenOf(certificate)
  const subject = body && childrenOf(body)[5]
  if (subject === undefined) throw new TypeError("not a certificate")
  return subject
}
