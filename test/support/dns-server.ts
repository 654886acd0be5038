import { createSocket } from "node:dgram"
import { once } from "node:events"
import { isIPv6 } from "node:net"
import type { TestContext } from "node:test"

/** What the server knows of one name (RFC 1035; SRV: RFC 2782). A type that is not there has no records. */
export interface DnsRecords {
  readonly A?: readonly string[]
  readonly AAAA?: readonly string[]
  readonly SRV?: readonly { priority: number; weight: number; port: number; target: string }[]
  /** `fail`: answered with SERVFAIL. `silent`: not answered. */
  readonly behaviour?: "fail" | "silent"
}

export interface DnsServer {
  /** `host:port`. */
  readonly address: string
  /** By lower-case name; the test may change it. Other names do not exist. */
  readonly zone: Record<string, DnsRecords>
  /** Resolves with the next question that is not answered. */
  silence(): Promise<void>
}

const types = { 1: "A", 28: "AAAA", 33: "SRV" } as const

/** A DNS server over UDP on the loopback, closed after the test. */
export async function dnsServer(t: TestContext, zone: Record<string, DnsRecords>): Promise<DnsServer> {
  const socket = createSocket("udp4")
  let silence = Promise.withResolvers<void>()
  socket.on("message", (query, { port, address }) => {
    const { name, type, end } = questionOf(query)
    const known = zone[name]
    if (known?.behaviour === "silent") {
      silence.resolve()
      silence = Promise.withResolvers()
      return
    }
    const records = known === undefined ? [] : encode(known, types[type as keyof typeof types])
    const header = Buffer.alloc(12)
    query.copy(header, 0, 0, 2)
    header.writeUInt16BE(0x8580 | (known === undefined ? 3 : known.behaviour === "fail" ? 2 : 0), 2)
    header.writeUInt16BE(1, 4)
    header.writeUInt16BE(records.length, 6)
    const answers = records.map((data) => {
      const head = Buffer.alloc(12)
      head.writeUInt16BE(0xc00c, 0) // the name of the question
      head.writeUInt16BE(type, 2)
      head.writeUInt16BE(1, 4)
      head.writeUInt16BE(data.length, 10)
      return Buffer.concat([head, data])
    })
    socket.send(Buffer.concat([header, query.subarray(12, end), ...answers]), port, address)
  })
  socket.bind(0, "127.0.0.1")
  await once(socket, "listening")
  t.after(() => socket.close())
  return { address: `127.0.0.1:${socket.address().port}`, zone, silence: () => silence.promise }
}

function questionOf(query: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = []
  let at = 12
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString("latin1", at + 1, at + 1 + length))
    at += 1 + length
  }
  return { name: labels.join(".").toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 }
}

function encode(known: DnsRecords, type: "A" | "AAAA" | "SRV" | undefined): Buffer[] {
  switch (type) {
    case "A":
      return (known.A ?? []).map((address) => Buffer.from(address.split(".").map(Number)))
    case "AAAA":
      return (known.AAAA ?? []).map(bytesOf)
    case "SRV":
      return (known.SRV ?? []).map(({ priority, weight, port, target }) => {
        const numbers = Buffer.alloc(6)
        for (const [index, number] of [priority, weight, port].entries())
          numbers.writeUInt16BE(number, 2 * index)
        return Buffer.concat([numbers, nameOf(target)])
      })
    case undefined:
      return []
  }
}

/** `.` is the root. */
function nameOf(name: string): Buffer {
  const labels = name.split(".").filter((label) => label !== "")
  return Buffer.concat([
    ...labels.map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)])),
    Buffer.alloc(1),
  ])
}

/** Of an IPv6 address without an embedded IPv4 one. */
function bytesOf(address: string): Buffer {
  if (!isIPv6(address)) throw new TypeError(`${address} is not an IPv6 address`)
  const [left = [], right = []] = address
    .split("::")
    .map((half) => half.split(":").filter((group) => group !== ""))
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => "0")
  return Buffer.from([...left, ...zeros, ...right].map((group) => group.padStart(4, "0")).join(""), "hex")
}
