import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { parseDockerRun } from "../../../src/cli/run/docker-flags.ts"

const cases: [words: string[], image: string, command: string[], user?: string][] = [
  [["alpine"], "alpine", []],
  [["alpine", "sh", "-c", "id -u"], "alpine", ["sh", "-c", "id -u"]],
  [["--rm", "-it", "alpine", "--rm"], "alpine", ["--rm"]],
  [["-itu", "1000", "alpine"], "alpine", [], "1000"],
  [["-itu1000:5", "alpine"], "alpine", [], "1000:5"],
  [["-u=7", "alpine"], "alpine", [], "7"],
  [["--user=app", "alpine"], "alpine", [], "app"],
  [["--user", "app", "--network", "none", "alpine"], "alpine", [], "app"],
  [["-v", "/a:/b", "--read-only", "--tmpfs", "/tmp", "img:1", "-d"], "img:1", ["-d"]],
  [["--init=true", "--sig-proxy=false", "alpine"], "alpine", []],
  [["--detach=false", "-d=false", "alpine"], "alpine", []],
  [["--restart", "no", "alpine"], "alpine", []],
  [["-e", "A=-d", "alpine"], "alpine", []],
  [["-ed", "alpine"], "alpine", []],
  [["--", "alpine", "x"], "alpine", ["x"]],
]

test("docker run's flags end at the image", () => {
  for (const [words, image, command, user] of cases) {
    const run = parseDockerRun(words)
    assert.deepEqual(
      { image: run.image, command: run.command, user: run.user },
      { image, command, user },
      words.join(" "),
    )
    assert.deepEqual(
      [...run.flags, run.image, ...run.command],
      words.filter((word, index) => word !== "--" || index > words.indexOf(image)),
    )
  }
})

test("refuses --detach and --restart however they are written", () => {
  const detached = ["-d", "--detach", "--detach=true", "-itd", "-dit", "-d=1", "-tdu5"]
  for (const word of detached) assert.throws(() => parseDockerRun([word, "alpine"]), /--detach/, word)
  for (const words of [["--restart=always"], ["--restart", "unless-stopped"], ["--restart=on-failure:3"]])
    assert.throws(() => parseDockerRun([...words, "alpine"]), { code: "ERR_USAGE" })
})

test("refuses arguments without an image", () => {
  for (const words of [[], ["-it"], ["--user", "alpine"], ["--"]])
    assert.throws(() => parseDockerRun(words), { code: "ERR_USAGE", message: /no image/ })
})

test("any words are read as flags, image and command, or refused", () => {
  const word = fc.oneof(
    fc.constantFrom("-it", "-d", "--user", "--rm", "--", "-u", "alpine", "--x=1", ""),
    fc.string(),
  )
  fc.assert(
    fc.property(fc.array(word, { maxLength: 8 }), (words) => {
      try {
        const { flags, image, command } = parseDockerRun(words)
        const expected = [...words]
        assert.deepEqual(expected.slice(expected.length - command.length), command)
        assert.ok(flags.length + 1 + command.length <= words.length && words.includes(image))
      } catch (error) {
        assert.equal((error as { code?: string }).code, "ERR_USAGE")
      }
    }),
    { numRuns: process.env["SLOW"] === undefined ? 500 : 20_000 },
  )
})
