import assert from "node:assert/strict"
import { execFile, spawn } from "node:child_process"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { readdir, readFile, writeFile } from "node:fs/promises"
import { join, resolve } from "node:path"
import { text } from "node:stream/consumers"
import { suite, test } from "node:test"
import { promisify } from "node:util"
import { parseAst } from "rolldown/parseAst"
import { version } from "../../src/base/version.ts"
import { groups } from "../../src/cli/commands.ts"
import { oldNode, requireService } from "../support/services.ts"
import { tempDir } from "../support/temp.ts"
import { waitFor } from "../support/wait.ts"
import { bin, purser } from "./purser.ts"

const run = promisify(execFile)

suite("help and version", () => {
  test("--version prints only the version, at any position", async () => {
    for (const args of [["--version"], ["-V"], ["--json", "--version"]]) {
      assert.deepEqual(await purser(args), { code: 0, stdout: `${version}\n`, stderr: "" })
    }
  })

  test("--help lists every command", async () => {
    const { code, stdout, stderr } = await purser(["--help"])
    assert.deepEqual([code, stderr], [0, ""])
    for (const { title, commands } of groups) {
      assert.ok(stdout.includes(title), title)
      for (const { name, alias } of commands) {
        assert.match(stdout, new RegExp(`^  ${name}${alias === undefined ? "" : `, ${alias}`} `, "m"))
      }
    }
  })

  test("without a command: the help on stderr, and exit code 2", async () => {
    const { code, stdout, stderr } = await purser([])
    assert.deepEqual([code, stdout], [2, ""])
    assert.match(stderr, /^Usage: purser/)
    assert.equal((await purser(["secret"])).code, 2)
  })

  for (const { name } of groups.flatMap(({ commands }) => commands)) {
    test(`${name} has a help, by --help and by help ${name}`, async () => {
      const [flag, word] = await Promise.all([purser([name, "--help"]), purser(["help", name])])
      assert.deepEqual([flag.code, flag.stderr], [0, ""])
      assert.match(flag.stdout, new RegExp(`^Usage: purser ${name}`))
      assert.deepEqual(word, flag)
    })
  }
})

suite("bad usage is exit code 2, one line, and a hint", () => {
  const cases: [args: string[], message: string, hint: string][] = [
    [["sevret"], 'unknown command "sevret"', "did you mean secret? see `purser --help`"],
    [["--state", "x", "sevret"], 'unknown command "sevret"', "did you mean secret? see `purser --help`"],
    [["check", "--jsn"], 'unknown option "--jsn"', "did you mean --json? see `purser check --help`"],
    [["secret", "gte"], 'unknown command "gte"', "did you mean get? see `purser secret --help`"],
    [["secret", "get"], 'missing required argument "name"', "see `purser secret get --help`"],
    [
      ["check", "hunter2"],
      'too many arguments for "check". Expected 0 arguments but got 1',
      "see `purser check --help`",
    ],
    [["--json=1"], 'option "--json" does not take an argument', ""],
  ]
  for (const [args, message, hint] of cases) {
    test(`purser ${args.join(" ")}`, async () => {
      const { code, stdout, stderr } = await purser(args)
      assert.deepEqual([code, stdout], [2, ""])
      if (hint === "") assert.match(stderr, /^purser: .*--json.*\nhint: .*\n$/)
      else assert.equal(stderr, `purser: ${message}\nhint: ${hint}\n`)
    })
  }

  test("with --json it is one object on stderr", async () => {
    const { code, stdout, stderr } = await purser(["--json", "sevret"])
    assert.deepEqual([code, stdout], [2, ""])
    assert.deepEqual(JSON.parse(stderr), {
      error: "ERR_USAGE",
      message: 'unknown command "sevret"',
      hint: "did you mean secret? see `purser --help`",
    })
  })

  test("options before node are an error, not ignored", async () => {
    const { code, stderr } = await purser(["--json", "node"])
    assert.equal(code, 2)
    assert.match(stderr, /the options of node come after its name/)
  })
})

test("an option after the command takes precedence over the same one before it", async (t) => {
  const cwd = await tempDir(t)
  await purser(["--state", "before", "secret", "--state", "between", "set", "a", "--state", "after"], {
    cwd,
    input: "1",
  })
  assert.deepEqual(await readdir(cwd), ["after"])
})

suite("the process", () => {
  test("a closed pipe is not an error", { skip: process.platform === "win32" }, async (t) => {
    const state = await tempDir(t)
    const command = `"$0" "$1" config schema | head -c 1; exit "\${PIPESTATUS[0]}"`
    const { stdout, stderr } = await run("bash", ["-c", command, process.execPath, bin], {
      env: { ...process.env, PURSER_STATE: state },
    })
    assert.deepEqual([stdout, stderr], ["{", ""])
  })

  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    const skip = process.platform === "win32"
    test(
      `${signal} ends a waiting command with ${code}, without a word, and what it started`,
      { skip },
      async (t) => {
        const cwd = await tempDir(t)
        const script = `require("fs").writeFileSync("pid", String(process.pid)); setInterval(() => {}, 1000)`
        const config = {
          secrets: { a: { exec: [process.execPath, "-e", script] } },
          apps: { web: { secrets: ["a"] } },
        }
        await writeFile(join(cwd, "purser.yaml"), JSON.stringify(config))
        const child = spawn(process.execPath, [bin, "check", "--state", cwd], {
          cwd,
          stdio: ["ignore", "pipe", "pipe"],
        })
        const ended = once(child, "exit")
        const said = Promise.all([text(child.stdout), text(child.stderr)])
        const pid = Number(
          await waitFor("the command to wait", () => readFile(join(cwd, "pid"), "utf8").catch(() => "")),
        )
        child.kill(signal)
        assert.deepEqual(await ended, [code, null])
        assert.deepEqual(await said, ["", ""])
        await waitFor("the end of what it started", () => !runs(pid))
      },
    )
  }

  test("the guard is text that Node 6 understands, and names the Node that is needed", async (t) => {
    const source = readFileSync(bin, "utf8")
    assert.match(source, /^#!\/usr\/bin\/env node\n/)
    // No newer syntax: nothing but `var`, functions, strings and calls.
    assert.doesNotMatch(
      source.replace(/\/\/.*$/gm, ""),
      /=>|`(?!nvm install 24`)|\b(?:const|let|class|import|await|async)\b|\?\?|\?\./,
    )
    assert.ok(parseAst(source.replace(/^#!.*/, ""), { lang: "js", sourceType: "script" }))
    if (!(await requireService(t, "node18"))) return
    await assert.rejects(
      run(oldNode(18), [bin, "--version"]),
      (error: Error & { code?: number; stderr?: string; stdout?: string }) => {
        assert.deepEqual([error.code, error.stdout], [1, ""])
        assert.match(
          error.stderr ?? "",
          /^purser: this is Node 18\.\S+, and purser needs 24\.12 or newer\nhint: .*nodejs\.org.*\n$/,
        )
        return true
      },
    )
  })

  test("is executable", { skip: process.platform === "win32" }, async () => {
    const path = `${join(process.execPath, "..")}:${process.env["PATH"]}`
    const { stdout } = await run(resolve(bin), ["--version"], { env: { ...process.env, PATH: path } })
    assert.equal(stdout, `${version}\n`)
  })
})

function runs(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

test("help knows the commands below a command", async () => {
  const [flag, words] = await Promise.all([
    purser(["secret", "set", "--help"]),
    purser(["help", "secret", "set"]),
  ])
  assert.deepEqual(words, flag)
  assert.match(words.stdout, /^Usage: purser secret set/)
})
