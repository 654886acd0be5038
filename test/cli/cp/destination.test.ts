import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { parseDestination, pathsFor } from "../../../src/cli/cp/destination.ts"

test("reads container and path, a directory by its slash", () => {
  assert.deepEqual(parseDestination("web:/run/secrets/x"), {
    container: "web",
    path: "/run/secrets/x",
    isDirectory: false,
  })
  assert.deepEqual(parseDestination("web-1.a_b:/run//secrets/"), {
    container: "web-1.a_b",
    path: "/run/secrets",
    isDirectory: true,
  })
  assert.deepEqual(parseDestination(":/a:b"), { container: undefined, path: "/a:b", isDirectory: false })
  assert.deepEqual(parseDestination("web:/"), { container: "web", path: "/", isDirectory: true })
})

test("refuses an invalid destination with the reason", () => {
  const bad: [string, RegExp][] = [
    ["web", /no colon/],
    ["web:run/x", /not absolute/],
    ["web:", /not absolute/],
    ["-x:/a", /not a container's name or id/],
    ["a b:/a", /not a container's name or id/],
    ["web:/a/../b", /dot segment/],
    ["web:/a/./b", /dot segment/],
    ["web:/a\0b", /NUL/],
  ]
  for (const [text, message] of bad)
    assert.throws(() => parseDestination(text), { code: "ERR_USAGE", message }, text)
})

test("no destination leads through a dot segment", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      try {
        const { path } = parseDestination(`web:/${text}`)
        assert.ok(path.startsWith("/") && !path.split("/").some((part) => part === "." || part === ".."))
      } catch (error) {
        assert.equal((error as { code?: string }).code, "ERR_USAGE")
      }
    }),
  )
})

test("files keep their names in a directory, and one file may be given another", () => {
  const directory = parseDestination("web:/run/secrets/")
  assert.deepEqual(pathsFor(["./a/tls.key", "b"], directory), ["/run/secrets/tls.key", "/run/secrets/b"])
  assert.deepEqual(pathsFor(["./a/tls.key"], parseDestination("web:/run/x")), ["/run/x"])
  assert.deepEqual(pathsFor(["-"], parseDestination("web:/run/x")), ["/run/x"])
  assert.throws(() => pathsFor(["a/x", "b/x"], directory), { code: "ERR_USAGE", message: /two of the files/ })
  assert.throws(() => pathsFor(["-"], directory), { code: "ERR_USAGE", message: /has no file name/ })
  assert.throws(() => pathsFor(["a", "b"], parseDestination("web:/run/x")), {
    code: "ERR_USAGE",
    message: /cannot all/,
  })
  for (const source of ["a/", "..", "."])
    assert.throws(() => pathsFor([source], directory), { code: "ERR_USAGE", message: /names no file/ })
})
