import { isAbsolute, sep } from "node:path"
import { pathToFileURL } from "node:url"
import { version } from "../base/version.ts"
import { rules, type Finding, type Rule } from "./finding.ts"

/**
 * Returns findings as SARIF 2.1.0, the format that code hosts read. A finding without a file gets a logical location.
 * https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
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
                    artifactLocation: { uri: uriOf(location.file) },
                    region: { startLine: location.line },
                  },
                },
          ],
        })),
      },
    ],
  }
}

/** Keeps a relative path relative, because the code host resolves it against the repository's root. */
function uriOf(file: string): string {
  if (isAbsolute(file)) return pathToFileURL(file).href
  return file.split(sep).map(encodeURIComponent).join("/")
}
