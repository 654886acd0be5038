import { version } from "../base/version.ts"
import { rules, type Finding, type Rule } from "./finding.ts"

/**
 * Findings as code hosts take them: SARIF 2.1.0
 * (https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html). What is no file becomes a logical location.
 */
export function sarifOf(findings: readonly Finding[]): object {
  const ids = Object.keys(rules) as Rule[]
  return {
    $schema: "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
    version: "2.1.0",
    runs: [
      {
        tool: {
          driver: {
            name: "purser doctor",
            semanticVersion: version,
            rules: ids.map((id) => ({ id, shortDescription: { text: rules[id] } })),
          },
        },
        results: findings.map(({ rule, level, subject, message, fix, location }) => ({
          ruleId: rule,
          ruleIndex: ids.indexOf(rule),
          level,
          message: { text: `${subject.kind} ${subject.name}: ${message}. ${fix}` },
          locations: [
            location === undefined
              ? { logicalLocations: [{ name: subject.name, kind: subject.kind }] }
              : {
                  physicalLocation: {
                    artifactLocation: { uri: location.file.replaceAll("\\", "/") },
                    region: { startLine: location.line },
                  },
                },
          ],
        })),
      },
    ],
  }
}
