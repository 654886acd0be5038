import { escapeForTerminal } from "./escape.ts"
import type { PurserError } from "./errors.ts"

export type LogLevel = "debug" | "info" | "warn" | "error"

/** Structured fields beside a message. */
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>

/**
 * The log of long-running parts. Messages follow the rules of error messages. A
 * caller need not escape a peer's text, because the writer does.
 */
export interface Log {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
}

export interface LogWriter {
  write(text: string): unknown
}

export interface LogOptions {
  /** The lowest level that is written. Default `info`. */
  level?: LogLevel
  /** Whether to write one JSON object a line instead of text. */
  json?: boolean
  /** The prefix of every text line, such as `purser node`. */
  name?: string
  now?: () => Date
}

const order: Record<LogLevel, number> = { debug: 0, info: 1, warn: 2, error: 3 }

/** Creates a log that writes one line an event. It needs no npm package, because the one-file receiver uses it too. */
export function createLog(writer: LogWriter, options: LogOptions = {}): Log {
  const { level: least = "info", json = false, name, now = () => new Date() } = options
  const at =
    (level: LogLevel) =>
    (message: string, fields: LogFields = {}): void => {
      if (order[level] < order[least]) return
      writer.write(json ? jsonLine(level, message, fields, now()) : textLine(level, name, message, fields))
    }
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") }
}

/** A log that writes nothing. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} }

/** Returns an error's code and hint as the fields of a log line. */
export function errorFields(error: PurserError): LogFields {
  return { code: error.code, ...(error.hint === undefined ? {} : { hint: error.hint }) }
}

function jsonLine(level: LogLevel, message: string, fields: LogFields, time: Date): string {
  return `${JSON.stringify({ time: time.toISOString(), level, message, ...fields })}\n`
}

function textLine(level: LogLevel, name: string | undefined, message: string, fields: LogFields): string {
  const { hint, ...rest } = fields
  const facts = Object.entries(rest)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}=${escapeForTerminal(String(value))}`)
    .join("")
  const head = `${name === undefined ? "" : `${name}: `}${level === "info" ? "" : `${level}: `}`
  const tail = hint === undefined ? "" : `hint: ${escapeForTerminal(String(hint))}\n`
  return `${head}${escapeForTerminal(message)}${facts}\n${tail}`
}
