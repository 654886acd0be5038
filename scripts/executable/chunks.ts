/**
 * Loads the chunks of the command line from wherever they are kept, each when it is first required. Inside the
 * executable there are no files, and a chunk's compiled code lies beside it: what a command does not need is
 * neither read nor compiled.
 */
import { Script } from "node:vm"

type Load = (id: string) => unknown

/** Returns a function that loads a chunk such as `cp.cjs`, and in turn what it requires. */
export function loaderOf(scriptOf: (name: string) => Script): Load {
  const modules = new Map<string, { exports: object }>()
  const load = (name: string): unknown => {
    const known = modules.get(name)
    if (known !== undefined) return known.exports
    const module = { exports: {} }
    modules.set(name, module)
    const run = scriptOf(name).runInThisContext() as (exports: object, require: Load, module: object) => void
    run(module.exports, require, module)
    return module.exports
  }
  // A name without a chunk is a module of Node.
  const require: Load = (id) =>
    id.startsWith("./") ? load(id.slice("./".length)) : process.getBuiltinModule(id)
  return load
}

/** `compiled` is what V8 made of the same text in an earlier process, if there is any. */
export function compileChunk(name: string, code: string, compiled?: Buffer): Script {
  // On one line with the first of the chunk, so that the lines of a stack trace are those of the chunk.
  return new Script(`(function (exports, require, module) {${code}\n})`, {
    filename: `purser/${name}`,
    ...(compiled === undefined ? {} : { cachedData: compiled }),
  })
}
