import { spawn } from "node:child_process"
import { once } from "node:events"

/** Ends with whoever started it, however that ends. */
const loop = `
const parent = Number(process.argv[1])
while (process.ppid === parent) for (const end = Date.now() + 200; Date.now() < end; );
`

/** Keeps `count` cores busy until it is disposed of. */
export function startBusyLoops(count: number): AsyncDisposable {
  const loops = Array.from({ length: count }, () => {
    const child = spawn(process.execPath, ["--eval", loop, String(process.pid)], { stdio: "ignore" })
    return { child, ended: once(child, "exit") }
  })
  return {
    async [Symbol.asyncDispose]() {
      for (const { child } of loops) child.kill("SIGKILL")
      await Promise.all(loops.map(({ ended }) => ended))
    },
  }
}
