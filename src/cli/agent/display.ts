import type { AgentEvent, DeliveryEvent } from "../../agent/delivery/events.ts"
import { escapeForTerminal } from "../../base/escape.ts"
import type { Log, LogLevel } from "../../base/log.ts"
import type { Output } from "../output.ts"

/**
 * Displays the events of a running agent: on a terminal as a table that is
 * redrawn, with log lines above it; elsewhere as one line for each file and each
 * delivery; with `--json` as one object per line.
 */
export interface Display extends AsyncDisposable {
  show(event: AgentEvent): void
  /** The log, with its lines written above the table. */
  around(log: Log): Log
}

export async function createDisplay(output: Output, { live }: { live: boolean }): Promise<Display> {
  if (!live || output.json || !output.isTerminal) return plainDisplay(output)
  const { createLogUpdate } = await import("log-update")
  return liveDisplay(createLogUpdate(process.stdout), output.color)
}

function plainDisplay(output: Output): Display {
  const totals = { ok: 0, failed: 0, refused: 0 }
  return {
    show(event) {
      if (event.type === "start") return
      if (event.type === "delivery") totals[event.status]++
      output.result(jsonOf(event), lineOf(event))
    },
    around: (log) => log,
    async [Symbol.asyncDispose]() {
      const all = totals.ok + totals.failed + totals.refused
      if (all > 1)
        output.note(`${all} deliveries: ${totals.ok} ok, ${totals.failed} failed, ${totals.refused} refused`)
    },
  }
}

/** The event with its error as a plain object, because JSON omits the fields of an Error. */
export function jsonOf(event: AgentEvent): object {
  if (event.type !== "delivery" || event.error === undefined) return event
  const { error, ...rest } = event
  return {
    ...rest,
    error: {
      code: error.code,
      message: error.message,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    },
  }
}

export function lineOf(event: AgentEvent): string {
  const place = `${event.app} ${escapeForTerminal(event.target)}`
  if (event.type === "start") return `${place}: delivering`
  if (event.type === "file") return `${place}: ${event.status} ${escapeForTerminal(event.secret)}`
  return `${place}: ${resultOf(event)}${hintOf(event)}`
}

function resultOf({ status, sent, matched, missing, durationMs, error }: DeliveryEvent): string {
  const counts = `${sent} sent, ${matched} match${missing > 0 ? `, ${missing} not delivered` : ""}`
  return status === "ok"
    ? `ok, ${counts} (${durationMs} ms)`
    : `${status}, ${escapeForTerminal(error?.message ?? counts)}`
}

function hintOf({ error }: DeliveryEvent): string {
  return error?.hint === undefined ? "" : `\nhint: ${escapeForTerminal(error.hint)}`
}

interface Row {
  app: string
  target: string
  node: string
  state: string
  files: string
  at: Date | undefined
}

/** The most targets that the table shows, those with the latest events. */
const mostRows = 20

/** Truncates text, so that a node's name cannot fill the screen. */
function short(text: string): string {
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}

interface LogUpdate {
  (...text: string[]): void
  clear(): void
  done(): void
}

export function liveDisplay(update: LogUpdate, color: boolean): Display {
  const rows = new Map<string, Row>()
  const paint = (code: number, text: string): string => (color ? `\u001b[${code}m${text}\u001b[39m` : text)
  const colors: Record<string, number> = { ok: 32, failed: 31, refused: 31, delivering: 33 }

  const draw = (): void => {
    const newest = [...rows.values()].slice(-mostRows).toReversed()
    const cells = [
      ["APP", "TARGET", "NODE", "STATE", "LAST DELIVERY", "FILES"],
      ...newest.map(({ app, target, node, state, at, files }) => [
        app,
        target,
        node,
        state,
        at?.toTimeString().slice(0, 8) ?? "",
        files,
      ]),
    ]
    const widths = (cells[0] ?? []).map((_, column) =>
      Math.max(...cells.map((line) => line[column]?.length ?? 0)),
    )
    const lines = cells.map((line) =>
      line
        .map((cell, column) => {
          const padded = cell.padEnd(widths[column] ?? 0)
          return column === 3 && colors[cell] !== undefined ? paint(colors[cell], padded) : padded
        })
        .join("  ")
        .trimEnd(),
    )
    const hidden = rows.size - newest.length
    update([...lines, ...(hidden > 0 ? [`and ${hidden} more`] : [])].join("\n"))
  }

  return {
    show(event) {
      const key = `${event.app} ${event.target}`
      const row = rows.get(key) ?? {
        app: event.app,
        target: escapeForTerminal(event.target),
        node: "",
        state: "",
        files: "",
        at: undefined,
      }
      rows.delete(key)
      rows.set(key, row)
      if (event.type !== "start" && event.node !== undefined) row.node = escapeForTerminal(event.node)
      if (event.type === "start") row.state = "delivering"
      if (event.type === "file") row.files = short(`${event.status} ${escapeForTerminal(event.secret)}`)
      if (event.type === "delivery") {
        row.state = event.status
        row.at = new Date()
        row.files =
          event.error === undefined
            ? `${event.sent} sent, ${event.matched} match`
            : escapeForTerminal(event.error.message)
      }
      draw()
    },
    around(log) {
      const at =
        (level: LogLevel): Log[LogLevel] =>
        (message, fields) => {
          update.clear()
          log[level](message, fields)
          if (rows.size > 0) draw()
        }
      return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") }
    },
    async [Symbol.asyncDispose]() {
      update.done()
    },
  }
}
