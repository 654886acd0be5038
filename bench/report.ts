import { readFile, writeFile } from "node:fs/promises"
import { cpus, totalmem } from "node:os"
import { join, resolve } from "node:path"
import type { Section } from "./measure.ts"

const docs = resolve(import.meta.dirname, "../docs")

/** Writes `docs/performance.md` and its chart, which are not edited by hand. */
export async function writeReport(sections: readonly Section[], date = new Date()): Promise<void> {
  const bars = sections.flatMap(({ ratios = [] }) => ratios)
  await writeFile(join(docs, "performance.svg"), chart(bars))
  await writeFile(join(docs, "performance.md"), page(sections, date))
}

/** Replaces one section of the page; the chart and the date above stay those of the last complete run. */
export async function replaceSection(section: Section, date = new Date()): Promise<void> {
  const file = join(docs, "performance.md")
  const old = await readFile(file, "utf8")
  const at = old.indexOf(`## ${section.title}\n`)
  if (at < 0)
    throw new Error(`docs/performance.md has no section "${section.title}": npm run bench writes all of them`)
  const next = old.indexOf("\n## ", at)
  const dated = { ...section, text: `${section.text} Measured by itself on ${day(date)}.` }
  const after = next < 0 ? "" : old.slice(next + 1)
  await writeFile(file, old.slice(0, at) + textOf(dated).join("\n") + (after === "" ? "" : `\n${after}`))
}

function day(date: Date): string {
  return date.toISOString().slice(0, 10)
}

function textOf(section: Section): string[] {
  return [`## ${section.title}`, "", section.text, "", ...table(section), ""]
}

function page(sections: readonly Section[], date: Date): string {
  const machine = `${cpus().length} cores (${cpus()[0]?.model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}, OpenSSL ${process.versions.openssl}, ${process.platform}`
  return [
    "# Performance",
    "",
    'Written by `npm run bench`, not by hand. Figures are medians; on a noisy machine only the ratios, taken pair by pair within one run, mean much. Where we set out for a figure it stands under "aim".',
    "",
    `Machine: ${machine}. Date: ${day(date)}.`,
    "",
    "![ratios to the floor](performance.svg)",
    "",
    ...sections.flatMap(textOf),
  ].join("\n")
}

function table({ rows }: Section): string[] {
  const titles = [...new Set(rows.flatMap(({ figures }) => Object.keys(figures)))]
  return [
    `| | ${titles.join(" | ")} |`,
    `|---|${titles.map(() => "--:|").join("")}`,
    ...rows.map(
      ({ what, figures }) => `| ${what} | ${titles.map((title) => figures[title] ?? "").join(" | ")} |`,
    ),
  ]
}

const rowHeight = 26
const labelWidth = 330
const barWidth = 330

function chart(bars: readonly { what: string; ratio: number }[]): string {
  const most = Math.max(2, ...bars.map(({ ratio }) => ratio))
  const x = (ratio: number): number => labelWidth + (ratio / most) * barWidth
  const height = bars.length * rowHeight + 40
  const rows = bars.map(({ what, ratio }, index) => {
    const y = index * rowHeight + 30
    return `<text x="${labelWidth - 8}" y="${y + 12}" text-anchor="end">${what}</text><rect x="${labelWidth}" y="${y}" width="${(x(ratio) - labelWidth).toFixed(1)}" height="16" rx="2" fill="#3b82c4"/><text x="${(x(ratio) + 6).toFixed(1)}" y="${y + 12}">${ratio.toFixed(2)}</text>`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${labelWidth + barWidth + 60} ${height}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#fff"/>
<text x="${x(1).toFixed(1)}" y="16" text-anchor="middle" fill="#666">floor = 1</text>
${rows.join("\n")}
<line x1="${x(1).toFixed(1)}" x2="${x(1).toFixed(1)}" y1="22" y2="${height - 6}" stroke="#c0392b" stroke-dasharray="4 3"/>
</svg>
`
}
