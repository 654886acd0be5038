import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { crc32 } from "../../../src/channel/fluxvault/crc32.ts"
import { eaxOpen, eaxSeal } from "../../../src/channel/fluxvault/eax.ts"

/**
 * Bellare, Rogaway, Wagner: "The EAX Mode of Operation", appendix "Test vectors": MSG, KEY, NONCE, HEADER, CIPHER with
 * its tag.
 */
const published: [text: string, key: string, nonce: string, header: string, cipher: string][] = [
  [
    "",
    "233952DEE4D5ED5F9B9C6D6FF80FF478",
    "62EC67F9C3A4A407FCB2A8C49031A8B3",
    "6BFB914FD07EAE6B",
    "E037830E8389F27B025A2D6527E79D01",
  ],
  [
    "F7FB",
    "91945D3F4DCBEE0BF45EF52255F095A4",
    "BECAF043B0A23D843194BA972C66DEBD",
    "FA3BFD4806EB53FA",
    "19DD5C4C9331049D0BDAB0277408F67967E5",
  ],
  [
    "1A47CB4933",
    "01F74AD64077F2E704C0F60ADA3DD523",
    "70C3DB4F0D26368400A10ED05D2BFF5E",
    "234A3463C1264AC6",
    "D851D5BAE03A59F238A23E39199DC9266626C40F80",
  ],
  [
    "481C9E39B1",
    "D07CF6CBB7F313BDDE66B727AFD3C5E8",
    "8408DFFF3C1A2B1292DC199E46B7D617",
    "33CCE2EABFF5A79D",
    "632A9D131AD4C168A4225D8E1FF755939974A7BEDE",
  ],
  [
    "40D0C07DA5E4",
    "35B6D0580005BBC12B0587124557D2C2",
    "FDB6B06676EEDC5C61D74276E1F8E816",
    "AEB96EAEBE2970E9",
    "071DFE16C675CB0677E536F73AFE6A14B74EE49844DD",
  ],
  [
    "4DE3B35C3FC039245BD1FB7D",
    "BD8E6E11475E60B268784C38C62FEB22",
    "6EAC5C93072D8E8513F750935E46DA1B",
    "D4482D1CA78DCE0F",
    "835BB4F15D743E350E728414ABB8644FD6CCB86947C5E10590210A4F",
  ],
  [
    "8B0A79306C9CE7ED99DAE4F87F8DD61636",
    "7C77D6E813BED5AC98BAA417477A2E7D",
    "1A8C98DCD73D38393B2BF1569DEEFC19",
    "65D2017990D62528",
    "02083E3979DA014812F59F11D52630DA30137327D10649B0AA6E1C181DB617D7F2",
  ],
  [
    "1BDA122BCE8A8DBAF1877D962B8592DD2D56",
    "5FFF20CAFAB119CA2FC73549E20F5B0D",
    "DDE59B97D722156D4D9AFF2BC7559826",
    "54B9F04E6A09189A",
    "2EC47B2C4954A489AFC7BA4897EDCDAE8CC33B60450599BD02C96382902AEF7F832A",
  ],
  [
    "6CF36720872B8513F6EAB1A8A44438D5EF11",
    "A4A4782BCFFD3EC5E7EF6D8C34A56123",
    "B781FCF2F75FA5A8DE97A9CA48E522EC",
    "899A175897561D7E",
    "0DE18FD0FDD91E7AF19F1D8EE8733938B1E8E7F6D2231618102FDB7FE55FF1991700",
  ],
  [
    "CA40D7446E545FFAED3BD12A740A659FFBBB3CEAB7",
    "8395FCF1E95BEBD697BD010BC766AAC3",
    "22E7ADD93CFC6393C57EC0B3C17D6B44",
    "126735FCC320D25A",
    "CB8920F87A6C75CFF39627B56E3ED197C552D295A7CFC46AFC253B4652B1AF3795B124AB6E",
  ],
]
const hex = (text: string): Buffer => Buffer.from(text, "hex")

for (const [index, [text, key, nonce, header, cipher]] of published.entries()) {
  test(`the published vector ${index + 1} holds both ways`, () => {
    const { ciphertext, tag } = eaxSeal(hex(key), hex(nonce), hex(text), hex(header))
    assert.equal(Buffer.concat([ciphertext, tag]).toString("hex").toUpperCase(), cipher)
    assert.deepEqual(eaxOpen(hex(key), hex(nonce), { ciphertext, tag }, hex(header)), hex(text))
  })
}

test("a single changed bit in text, tag, nonce or header is detected", () => {
  const bytes = (min: number, max: number) =>
    fc.uint8Array({ minLength: min, maxLength: max }).map((array) => Buffer.from(array))
  const key = fc.constantFrom(16, 32).chain((length) => bytes(length, length))
  fc.assert(
    fc.property(key, bytes(16, 16), bytes(0, 70), bytes(0, 20), fc.nat(), (k, nonce, text, header, where) => {
      const { ciphertext, tag } = eaxSeal(k, nonce, text, header)
      assert.deepEqual(eaxOpen(k, nonce, { ciphertext, tag }, header), text)
      const parts = [ciphertext, tag, nonce, header]
      const lengths = parts.map(({ length }) => length)
      let bit = where % (8 * lengths.reduce((sum, length) => sum + length, 0))
      const flipped = parts.map((part) => {
        const copy = Buffer.from(part)
        if (bit >= 0 && bit < 8 * part.length) copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        bit -= 8 * part.length
        return copy
      })
      const [c = none, t = none, n = none, h = none] = flipped
      assert.equal(eaxOpen(k, n, { ciphertext: c, tag: t }, h), null)
    }),
    { numRuns: process.env["SLOW"] ? 10_000 : 200 },
  )
})
const none = Buffer.alloc(0)

test("a tag that was cut short is refused", () => {
  const [key, nonce] = [Buffer.alloc(32, 1), Buffer.alloc(16, 2)]
  const { ciphertext, tag } = eaxSeal(key, nonce, Buffer.from("text"))
  for (const length of [0, 1, 15])
    assert.equal(eaxOpen(key, nonce, { ciphertext, tag: tag.subarray(0, length) }), null)
})

test("the CRC equals that of zlib and Python: unsigned, and 0 for no bytes", () => {
  assert.equal(crc32(Buffer.from("")), 0)
  assert.equal(crc32(Buffer.from("123456789")), 0xcbf4_3926)
  assert.equal(crc32(Buffer.from("to be or not to be\n")), 576_141_949)
  assert.equal(crc32(Buffer.from("old\n")), 3_800_583_600)
})
