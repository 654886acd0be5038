import { readFile } from "node:fs/promises"
import { resolve } from "node:path"

const root = resolve(import.meta.dirname, "../..")

export interface CodeBlock {
  readonly language: string
  readonly text: string
  /** The heading that it stands under. */
  readonly section: string
  readonly line: number
}

/** The fenced blocks of a Markdown file of this repository, in order. */
export async function codeBlocks(file: string, language?: string): Promise<CodeBlock[]> {
  const lines = (await readFile(resolve(root, file), "utf8")).split("\n")
  const blocks: CodeBlock[] = []
  let section = ""
  let open: { language: string; line: number; text: string[] } | undefined
  for (const [index, line] of lines.entries()) {
    if (open === undefined) {
      section = /^#+ (.+)/.exec(line)?.[1] ?? section
      const fence = /^```(\w*)$/.exec(line)
      if (fence) open = { language: fence[1] ?? "", line: index + 1, text: [] }
    } else if (line === "```") {
      blocks.push({ ...open, text: `${open.text.join("\n")}\n`, section })
      open = undefined
    } else {
      open.text.push(line)
    }
  }
  if (open !== undefined) throw new Error(`${file}:${open.line}: this block has no end`)
  return language === undefined ? blocks : blocks.filter((block) => block.language === language)
}
