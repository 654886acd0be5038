import type { Command } from "commander"
import type { Action } from "./command.ts"

export function define(command: Command, action: Action): void {
  command.action(action(() => Promise.reject(new Error("not written yet"))))
}
