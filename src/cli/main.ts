import { version } from "../base/version.ts"

/**
 * The entry of `purser`. Loads only the command that is called: `--version` is
 * answered before anything is loaded, `node` and `health` start without any
 * package. `command.ts` describes the shape of a command; `commands.ts` lists
 * them all.
 */

// Docker starts the program under this name for `docker purser`.
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
  // Commander's help command takes one word only, and node and health print their own help.
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
  // Waits for pending output, because pipes are written asynchronously on Windows.
  for (const stream of [process.stdout, process.stderr]) {
    await new Promise<void>((resolve) => stream.write("", () => resolve()))
  }
  // Exits at once, because an open handle (a closing socket, a prompt's stdin) would keep the process alive.
  process.exit(code)
}
