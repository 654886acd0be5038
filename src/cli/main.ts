import { version } from "../base/version.ts"

/**
 * Entry of `purser`. It finds out which command is called and loads that one
 * alone: `--version` is answered before anything is loaded, `node` and `health`
 * start without commander and without any package. How a command is written is
 * told in `command.ts`; `commands.ts` lists them all.
 */

// Under this name docker starts us, as `docker purser`.
const isDockerPlugin = [process.argv0, process.argv[1] ?? ""].some((path) =>
  /(?:^|[/\\])docker-purser(?:\.exe)?$/.test(path),
)
void (isDockerPlugin ? startForDocker() : start(process.argv.slice(2)))

async function startForDocker(): Promise<void> {
  const { serveDocker } = await import("./docker-plugin.ts")
  try {
    await serveDocker(process, start)
  } catch (error) {
    const { reportError } = await import("./report-error.ts")
    process.exitCode = reportError(error, { stderr: process.stderr, json: false, verbose: false })
  }
}

async function start(words: readonly string[]): Promise<void> {
  // Commander's own help command knows one word; node and health know their help themselves.
  const own = /^(?:node|health)$/.test(words[1] ?? "")
  const argv = words[0] === "help" && (own || words.length > 2) ? [...words.slice(1), "--help"] : words
  const [first] = argv
  if (argv.length === 1 && (first === "--version" || first === "-V")) {
    process.stdout.write(`${version}\n`)
    return
  }
  let code: number
  if (first === "node") {
    const { main } = await import("./node/node.ts")
    code = await main(argv.slice(1), process.env)
  } else if (first === "health") {
    const { main } = await import("./node/health.ts")
    code = await main(argv.slice(1), process.env, async () =>
      (await import("../state/state-dir.ts")).defaultStateDir(),
    )
  } else if (first === "__complete" || first === "__completeNoDesc") {
    const { main } = await import("./completion/complete.ts")
    code = await main(argv.slice(1), process, first === "__complete")
  } else {
    const { main } = await import("./program.ts")
    code = await main(argv, process)
  }
  // Where pipes are written to later (Windows), what was printed must be out first.
  for (const stream of [process.stdout, process.stderr]) {
    await new Promise<void>((resolve) => stream.write("", () => resolve()))
  }
  // What a command left open (a socket being torn down, a password prompt's stdin) must not keep the process.
  process.exit(code)
}
