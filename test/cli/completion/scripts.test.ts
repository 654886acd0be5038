import assert from "node:assert/strict"
import { execFile } from "node:child_process"
import { mkdir, symlink, writeFile } from "node:fs/promises"
import { delimiter, dirname, join } from "node:path"
import { test, type TestContext } from "node:test"
import { promisify } from "node:util"
import { requireService } from "../../support/services.ts"
import { tempDir } from "../../support/temp.ts"
import { bin, purser } from "../purser.ts"
import { onTerminal } from "../terminal.ts"

const exec = promisify(execFile)

/** A directory with two secrets, some files, and `purser` in the PATH. */
async function place(t: TestContext) {
  const directory = await tempDir(t)
  const env: NodeJS.ProcessEnv = {
    PATH: [join(directory, "bin"), dirname(process.execPath), process.env["PATH"]].join(delimiter),
    HOME: directory,
    TERM: "vt100",
    LANG: "C.UTF-8",
    PURSER_STATE: join(directory, "state"),
    DOCKER_HOST: "unix:///nonexistent.sock",
  }
  for (const folder of ["bin", "tls", ".config/fish"])
    await mkdir(join(directory, folder), { recursive: true })
  await symlink(bin, join(directory, "bin/purser"))
  await writeFile(join(directory, "tls.key"), "")
  for (const name of ["db-password", "db-user"])
    await purser(["secret", "set", name], { env, input: `content of ${name}` })
  return { directory, env }
}

test("bash asks for every place of the word, and completes files itself", async (t) => {
  if (!(await requireService(t, "linux"))) return
  const { directory, env } = await place(t)
  const script = `source <(purser completion bash)
    complete -p purser
    for line in "$@"; do
      COMP_LINE=$line COMP_POINT=\${#line} COMPREPLY=()
      _purser purser
      echo "$line=> $(printf '%s\\n' "\${COMPREPLY[@]}" | sort | paste -sd,)"
    done`
  const lines = [
    "purser sec",
    "purser secret get db-",
    "purser cp --route=pr",
    "purser cp --route pu",
    "purser cp t",
    "purser cp web:/run/s",
    "purser ca issue www --out t",
    "purser secret set x --file=tls",
  ]
  const { stdout } = await exec("bash", ["--norc", "-c", script, "bash", ...lines], { cwd: directory, env })
  assert.deepEqual(stdout.trimEnd().split("\n"), [
    "complete -F _purser purser",
    "purser sec=> secret",
    "purser secret get db-=> db-password,db-user",
    // Readline replaces what stands behind the sign.
    "purser cp --route=pr=> proc",
    "purser cp --route pu=> pull",
    "purser cp t=> tls,tls.key",
    "purser cp web:/run/s=> ",
    "purser ca issue www --out t=> tls",
    "purser secret set x --file=tls=> tls,tls.key",
  ])
})

test("fish shows the candidates with what they are", async (t) => {
  if (!(await requireService(t, "fish"))) return
  const { directory, env } = await place(t)
  const script = "purser completion fish | source; for line in $argv; complete -C $line; echo; end"
  const lines = [
    "purser sec",
    "purser secret get db-p",
    "purser cp --route pu",
    "purser ca issue www --out tl",
  ]
  const { stdout } = await exec("fish", ["--no-config", "-c", script, ...lines], { cwd: directory, env })
  assert.equal(
    stdout,
    "secret\tkeep secrets in Purser's own encrypted store\n\ndb-password\n\npull\n\ntls/\tDirectory\n\n",
  )
})

/** Interactive, with the file that it reads when it starts. */
const shells = {
  bash: {
    command: ["bash", "--noprofile", "--rcfile", ".bashrc", "-i"],
    file: ".bashrc",
    prompt: "PS1='ready> '",
  },
  zsh: {
    command: ["zsh", "-o", "no_global_rcs", "-i"],
    file: ".zshrc",
    prompt: "PS1='ready> '; autoload -Uz compinit; compinit -u",
  },
} as const

for (const [shell, { command, file, prompt }] of Object.entries(shells)) {
  test(`Tab in ${shell} completes the name of a secret`, async (t) => {
    if (!(await requireService(t, "linux", ...(shell === "zsh" ? ([shell] as const) : [])))) return
    const { directory, env } = await place(t)
    await writeFile(join(directory, file), `${prompt}\nsource <(purser completion ${shell})\n`)
    const terminal = onTerminal(command, { cwd: directory, env })
    await terminal.answer(/ready> /, "purser secr\tget db-p\t")
    // The command was run with the whole name.
    await terminal.answer(/content of db-password/, "exit")
    assert.equal(await terminal.ended, 0)
  })
}
