/**
 * The implementation of `using` and `await using` in the receiver, because Node 22 does not have them. It takes the place of
 * the compiler's own helper, which is three times as long: if several errors are thrown, the first one counts, and
 * there is no SuppressedError around them.
 *
 * `u` and `a` take a value of `using` and of `await using`; `e` is the error of the block; `d` disposes.
 */
export default function usingContext() {
  const none = {}
  const disposers = []
  const take = (method) => (value) => {
    if (value != null) disposers.push(() => (value[method] ?? value[Symbol.dispose]).call(value))
    return value
  }
  return {
    e: none,
    u: take(Symbol.dispose),
    a: take(Symbol.asyncDispose),
    d() {
      const failed = (error) => {
        if (this.e === none) this.e = error
      }
      const disposeRest = () => {
        while (disposers.length) {
          try {
            const ended = disposers.pop()()
            if (ended) return ended.then(disposeRest, (error) => disposeRest(failed(error)))
          } catch (error) {
            failed(error)
          }
        }
        if (this.e !== none) throw this.e
      }
      return disposeRest()
    },
  }
}
