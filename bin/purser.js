#!/usr/bin/env node
// Plain old JavaScript and CommonJS, so that whoever has an older Node gets a
// sentence, not a syntax error. Everything else is in src/cli/main.ts.
"use strict"

var parts = process.versions.node.split(".").map(Number)
if (parts[0] < 24 || (parts[0] === 24 && parts[1] < 12)) {
  process.stderr.write(
    "purser: this is Node " +
      process.versions.node +
      ", and purser needs 24.12 or newer\n" +
      "hint: get it from https://nodejs.org/en/download, or by `nvm install 24`, or run purser's container image" +
      (parts[0] >= 22 ? "; a node alone (dist/purser-node.mjs) runs from Node 22 on" : "") +
      "\n",
  )
  process.exit(1)
}

require("./compile-cache.js").enable()

// In a repository the source is what counts, not the last build; a published package holds only dist.
var path = require("path")
var source = path.join(__dirname, "../src/cli/main.ts")
require(require("fs").existsSync(source) ? source : path.join(__dirname, "../dist/cli/main.cjs"))
