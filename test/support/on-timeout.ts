import { afterEach } from "node:test"
import { situation } from "./situation.ts"

/**
 * Loaded before each test file by scripts/test.ts: a test that times out says what it waited for, and shows what it
 * had started, before its own hooks remove that. So does a file whose whole time is nearly up.
 */

/** Time of the whole file in milliseconds, after which the runner ends this process. */
const fileMs = Number(process.env["PURSER_TEST_FILE_MS"])

afterEach(async (t) => {
  if (!isTimeout(t)) return
  console.error(`"${t.name}" timed out:\n${await situation()}`)
})

if (fileMs > 0) {
  const tell = async (): Promise<void> =>
    console.error(
      `the file's time is up:\n${await situation()}\nopen: ${process.getActiveResourcesInfo().join(", ")}`,
    )
  setTimeout(() => void tell(), Math.max(fileMs - 2000, fileMs * 0.9)).unref()
}

function isTimeout(context: object): boolean {
  const { error } = context as { readonly error?: { readonly failureType?: string } }
  return error?.failureType === "testTimeoutFailure"
}
