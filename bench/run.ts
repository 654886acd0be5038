/** `npm run bench`: measures everything and writes docs/performance.md. Takes some minutes; nothing else should run. */
import { measureCa } from "./ca.ts"
import { measureCopy } from "./copy.ts"
import { measureDelivery } from "./delivery.ts"
import { measureMemory } from "./memory.ts"
import type { Section } from "./measure.ts"
import { writeReport } from "./report.ts"
import { measureStartUp } from "./start-up.ts"

const sections: Section[] = []
for (const measure of [measureDelivery, measureCopy, measureCa, measureStartUp, measureMemory]) {
  const section = await measure()
  sections.push(section)
  console.log(`\n${section.title}`)
  console.table(Object.fromEntries(section.rows.map(({ what, figures }) => [what, figures])))
}
await writeReport(sections)
console.log("written: docs/performance.md, docs/performance.svg")
