import { auditEvents } from "../../src/audit/event-table.ts"
import type { AuditField } from "../../src/audit/event-description.ts"

/** The section of `docs/audit.md` about the kinds of events and their fields, from the table in the code. */
export function auditEventsSection(): string {
  return `Then the fields of its kind; those in parentheses are not in every line.

| \`kind\` | means | fields |
| --- | --- | --- |
${kinds.map(kindRow).join("\n")}

| field | of | means | example |
| --- | --- | --- | --- |
${fieldRows().join("\n")}
`
}

interface Kind {
  readonly kind: string
  readonly about: string
  readonly always: Readonly<Record<string, AuditField>>
  readonly sometimes: Readonly<Record<string, AuditField>>
}

const kinds: readonly Kind[] = Object.entries(auditEvents).map(([kind, description]) => ({
  kind,
  ...description,
}))

function kindRow({ kind, about, always, sometimes }: Kind): string {
  const optional = names(sometimes)
  const fields = [names(always), optional === "" ? "" : `(${optional})`].filter((part) => part !== "")
  return `| \`${kind}\` | ${about} | ${fields.join(" ")} |`
}

function names(fields: Readonly<Record<string, AuditField>>): string {
  return Object.keys(fields)
    .map((name) => `\`${name}\``)
    .join(", ")
}

/** A row for each meaning of a field; it names the kinds where the same name has another meaning elsewhere. */
function fieldRows(): string[] {
  const meanings = new Map<string, Map<string, string[]>>()
  for (const { kind, always, sometimes } of kinds) {
    for (const [name, field] of Object.entries({ ...always, ...sometimes })) {
      const ofName = meanings.get(name) ?? new Map<string, string[]>()
      meanings.set(name, ofName)
      const meaning = `${meaningOf(field)} | ${exampleOf(field)}`
      ofName.set(meaning, [...(ofName.get(meaning) ?? []), `\`${kind}\``])
    }
  }
  return [...meanings].flatMap(([name, ofName]) => {
    const most = Math.max(...[...ofName.values()].map((of) => of.length))
    return [...ofName].map(([meaning, of]) => {
      const where = ofName.size === 1 ? "" : of.length === most && most > 2 ? "other kinds" : of.join(", ")
      return `| \`${name}\` | ${where} | ${meaning} |`
    })
  })
}

function meaningOf(field: AuditField): string {
  if (field.type !== "choice") return field.about
  const values = Object.entries(field.values).map(([value, about]) => `\`${value}\`: ${about}`)
  return `${field.about}; ${values.join("; ")}`
}

function exampleOf(field: AuditField): string {
  return field.type === "choice" ? "" : `\`${field.example}\``
}
