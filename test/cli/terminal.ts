import { spawn } from "node:child_process"
import { once } from "node:events"

/** A command on a terminal of its own, by script(1). */
export function onTerminal(
  command: readonly string[],
  { cwd, env }: { cwd: string; env: NodeJS.ProcessEnv },
) {
  const quoted = command.map((word) => `'${word}'`).join(" ")
  // script(1) without a terminal of its own makes one that has no width.
  const child = spawn("script", ["-qefc", `stty cols 80 rows 24; exec ${quoted}`, "/dev/null"], {
    cwd,
    env,
    stdio: ["pipe", "pipe", "inherit"],
  })
  const ended = (once(child, "exit") as Promise<[number | null]>).then(([code]) => code)
  let shown = ""
  let from = 0
  let over = false
  let wake = Promise.withResolvers<void>()
  const more = (text: string): void => {
    shown += text
    wake.resolve()
    wake = Promise.withResolvers()
  }
  child.stdout
    .setEncoding("utf8")
    .on("data", more)
    .on("end", () => {
      over = true
      wake.resolve()
    })
  return {
    ended,
    get shown() {
      return shown
    },
    /** Waits until the question was shown, then types. */
    async answer(question: RegExp, text: string): Promise<void> {
      while (!question.test(plain(shown.slice(from)))) {
        if (over) throw new Error(`it ended before ${String(question)}: ${shown}`)
        await wake.promise
      }
      from = shown.length
      child.stdin.write(`${text}\r`)
    },
  }
}

/** Without the terminal's control sequences. */
function plain(text: string): string {
  // oxlint-disable-next-line no-control-regex -- that is what they are made of
  return text.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, "")
}
