/**
 * `npm run bench`: measures everything and writes docs/performance.md. Takes some minutes; nothing else should run.
 * `npm run bench -- start-up` measures that alone and replaces its section; BENCH_TURNS=101 takes more turns of it.
 */
import { measureCa } from "./ca.ts"
import { measureCopy } from "./copy.ts"
import { measureDelivery } from "./delivery.ts"
import { measureMemory } from "./memory.ts"
import type { Section } from "./measure.ts"
import { replaceSection, writeReport } from "./report.ts"
import { measureStartUp } from "./start-up.ts"

const measures: Readonly<Record<string, () => Promise<Section>>> = {
  delivery: measureDelivery,
  copy: measureCopy,
  ca: measureCa,
  "start-up": measureStartUp,
  memory: measureMemory,
}
const wanted = process.argv.slice(2)
const unknown = wanted.find((name) => !Object.hasOwn(measures, name))
if (unknown !== undefined) {
  console.error(`bench: there is no ${unknown}; there are ${Object.keys(measures).join(", ")}`)
  process.exit(2)
}

const sections: Section[] = []
for (const [name, measure] of Object.entries(measures)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  const section = await measure()
  sections.push(section)
  console.log(`\n${section.title}`)
  console.table(Object.fromEntries(section.rows.map(({ what, figures }) => [what, figures])))
  if (wanted.length > 0) await replaceSection(section)
}
if (wanted.length === 0) await writeReport(sections)
console.log("written: docs/performance.md")
