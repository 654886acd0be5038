import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { isPurserError } from "../../src/base/errors.ts"
import { filesOf, parseCertificateLine, parseCertificateLines } from "../../src/node/certificate-line.ts"

function refuses(text: string, message: RegExp): void {
  assert.throws(
    () => parseCertificateLine(text),
    (error: unknown) =>
      isPurserError(error, "ERR_FILE_LINE") && message.test(error.message) && error.hint !== undefined,
    text,
  )
}

test("turns a line into three files in one directory", () => {
  const line = parseCertificateLine(
    "www dns=Shop.LAN dns=*.shop.lan,xn--bcher-kva.lan ip=::1 path=/run/www mode=0440 owner=web",
  )
  assert.deepEqual(line.dns, ["shop.lan", "*.shop.lan", "xn--bcher-kva.lan"])
  assert.deepEqual([line.ip, line.email], [["::1"], []])
  const of = { mode: 0o440, owner: "web", optional: false }
  assert.deepEqual(filesOf([line]), [
    { name: "www/tls.crt", path: "/run/www/tls.crt", ...of },
    { name: "www/tls.key", path: "/run/www/tls.key", ...of },
    { name: "www/ca.crt", path: "/run/www/ca.crt", ...of },
  ])
})

test("puts the files of a line without a path below its name", () => {
  const [line] = parseCertificateLines("# of the shop\n\nwww email=ops@shop.lan\n")
  assert.deepEqual(line?.key, { name: "www/tls.key", mode: 0o400, optional: false })
})

test("asks for host names of other alphabets in their ASCII form", () => {
  assert.deepEqual(parseCertificateLine("www dns=bücher.lan").dns, ["xn--bcher-kva.lan"])
})

test("names the part that cannot be read", () => {
  refuses("www", /it has no dns=/)
  refuses("www path=/x", /it has no dns=/)
  refuses("../www dns=shop.lan", /not a name/)
  refuses("", /it has no dns=|not a name/)
  refuses("www dns=", /dns="" is not a host name/)
  refuses("www dns=sh!op", /not a host name/)
  refuses("www dns=192.0.2.1", /not a host name/)
  for (const url of ["a.lan/b", "a.lan?x", "a%2elan", "a@b.lan", "a.lan:443"])
    refuses(`www dns=${url}`, /not a host name/)
  refuses("www ip=shop.lan", /not an address/)
  refuses("www ip=fe80::1%eth0", /not an address/)
  refuses("www email=ops", /not a mail address/)
  refuses("www dns=a path=", /path=/)
  refuses("www dns=a path=/x/../y", /dot segment/)
  refuses("www dns=a path=/x path=/y", /is given twice/)
  refuses("www dns=a mode=9", /three octal digits/)
  refuses("www dns=a colour=red", /colour/)
  refuses(`www ${"dns=a ".repeat(101)}`, /more than 100/)
})

test("throws nothing but ERR_FILE_LINE for any text", () => {
  const part = fc.oneof(fc.string(), fc.constantFrom("dns=a", "ip=::1", "path=/x", "mode=0400", "optional"))
  const text = fc.array(part).map((parts) => parts.join(" "))
  fc.assert(
    fc.property(text, (line) => {
      try {
        parseCertificateLine(line)
      } catch (error) {
        assert.ok(isPurserError(error, "ERR_FILE_LINE"), String(error))
      }
    }),
  )
})
