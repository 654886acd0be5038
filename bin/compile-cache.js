// Node's compile cache in a directory that nobody else can write to.
//
// Node does not authenticate the bytecode that it reads from its cache, and its own default is a predictable
// path in the shared temporary directory: another local user who makes that path first would run code as
// whoever runs `purser`. So the cache lies below the home directory, and is used only if nobody but us and
// root can change it or any directory above it.
"use strict"

var fs = require("fs")
var path = require("path")
var os = require("os")

/** Returns the directory in use, or undefined where none is safe. Never throws: a cache only saves time. */
exports.enable = function enable() {
  // Windows keeps a user's profile from other users by itself, and has neither owners nor modes to look at.
  if (process.platform === "win32" || process.env.NODE_DISABLE_COMPILE_CACHE !== undefined) return undefined
  try {
    var directory = cacheHome()
    make(directory)
    make((directory = path.join(directory, "purser")))
    make((directory = path.join(directory, "compiled")))
    // The real path, so that no link on the way can be switched after the check.
    var real = fs.realpathSync(directory)
    if (!isPrivate(real)) return undefined
    require("module").enableCompileCache(real)
    return real
  } catch {
    return undefined
  }
}

/** One level at a time, because a recursive mkdir below /proc never returns. */
function make(directory) {
  try {
    fs.mkdirSync(directory, { mode: 448 /* 0700 */ })
  } catch (error) {
    if (error.code !== "EEXIST") throw error
  }
}

/** XDG_CACHE_HOME, or the usual place below the home directory. */
function cacheHome() {
  var given = process.env.XDG_CACHE_HOME
  if (given && path.isAbsolute(given)) return given
  var home = os.homedir()
  if (!path.isAbsolute(home)) throw new Error("no home directory")
  return process.platform === "darwin" ? path.join(home, "Library", "Caches") : path.join(home, ".cache")
}

/**
 * Tells whether the directory is ours and 0700, and whether only we or root can rename what leads to it. A
 * parent that others can write to is accepted only if it is sticky. `directory` is a real path.
 */
function isPrivate(directory) {
  var user = process.geteuid()
  var stat = fs.lstatSync(directory)
  if (!stat.isDirectory() || stat.uid !== user || (stat.mode & 63) !== 0) return false
  for (var at = path.dirname(directory); ; at = path.dirname(at)) {
    var above = fs.lstatSync(at)
    if (above.uid !== user && above.uid !== 0) return false
    if ((above.mode & 18) !== 0 && (above.mode & 512) === 0) return false
    if (at === path.dirname(at)) return true
  }
}
