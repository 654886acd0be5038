import assert from "node:assert/strict"
import { createHash } from "node:crypto"
import { mkdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test, type TestContext } from "node:test"
import fc from "fast-check"
import { isPurserError } from "../../src/base/errors.ts"
import { findEndpoint, parseEndpoint } from "../../src/docker/endpoint.ts"
import { docker } from "../support/docker.ts"
import { requireService } from "../support/services.ts"
import { tempDir } from "../support/temp.ts"
import { makeCertificates } from "./certificates.ts"

const tls = { skipVerify: false }

const addresses: [text: string, expected: Record<string, unknown>][] = [
  ["unix:///run/user/1000/docker.sock", { kind: "unix", path: "/run/user/1000/docker.sock" }],
  ["npipe:////./pipe/docker_engine", { kind: "npipe", path: "\\\\.\\pipe\\docker_engine" }],
  ["tcp://10.0.0.7:4243", { kind: "tcp", host: "10.0.0.7", port: 4243 }],
  ["tcp://10.0.0.7", { kind: "tcp", host: "10.0.0.7", port: 2375 }],
  ["tcp://[::1]:2375/", { kind: "tcp", host: "::1", port: 2375 }],
  ["tcp://:2375", { kind: "tcp", host: "127.0.0.1", port: 2375 }],
  ["build.example:2375", { kind: "tcp", host: "build.example", port: 2375 }],
  ["ssh://box", { kind: "ssh", host: "box", user: undefined, port: undefined, path: undefined }],
  [
    "ssh://me@box:2222/run/user/1/docker.sock",
    { kind: "ssh", host: "box", user: "me", port: 2222, path: "/run/user/1/docker.sock" },
  ],
]
for (const [text, expected] of addresses) {
  test(`reads ${text}`, () => {
    const { address: _, tls: __, ...found } = { tls: undefined, ...parseEndpoint(text) }
    assert.deepEqual(found, expected)
  })
}

test("the default port with TLS is 2376", () => {
  const found = parseEndpoint("tcp://box", tls)
  assert.deepEqual(found, { kind: "tcp", address: "tcp://box", host: "box", port: 2376, tls })
})

const notAddresses = [
  "",
  "unix://",
  "npipe://",
  "tcp://",
  "tcp://a:0",
  "tcp://a:65536",
  "tcp://a:b",
  "tcp://a/b",
]
const notSsh = ["ssh://", "ssh://-oProxyCommand=x", "ssh://-l@box", "ssh://@box", "ssh://a b"]
for (const text of [...notAddresses, ...notSsh, "http://a", "fd://", "TCP://a", "a b", "tcp://me@box"]) {
  test(`refuses ${JSON.stringify(text)}`, () => {
    assert.throws(() => parseEndpoint(text), { code: "ERR_ADDRESS" })
  })
}

test("a password in the address is refused and not repeated", () => {
  for (const text of ["ssh://me:hunter2@box", "tcp://me:hunter2@box", "ftp://me:hunter2@box"]) {
    const hidden = (error: Error): boolean => !error.message.includes("hunter2")
    assert.throws(() => parseEndpoint(text), hidden, text)
  }
})

test("any text is parsed or refused with ERR_ADDRESS", () => {
  const scheme = fc.constantFrom("", "tcp://", "ssh://", "unix://", "npipe://")
  fc.assert(
    fc.property(scheme, fc.string({ unit: "binary" }), (start, rest) => {
      try {
        const found = parseEndpoint(start + rest)
        if (found.kind === "ssh") assert.ok(!found.host.startsWith("-"))
      } catch (error) {
        assert.ok(isPurserError(error, "ERR_ADDRESS"), String(error))
      }
    }),
    { numRuns: 500 },
  )
})

/** Writes a `.docker` directory with a context, as the docker command lays it out. */
async function configWith(t: TestContext, name: string, meta: string): Promise<string> {
  const dir = await tempDir(t)
  const id = createHash("sha256").update(name).digest("hex")
  await mkdir(join(dir, "contexts/meta", id), { recursive: true })
  await mkdir(join(dir, "contexts/tls", id, "docker"), { recursive: true })
  await writeFile(join(dir, "contexts/meta", id, "meta.json"), meta)
  return dir
}

const metaOf = (host: string): string => JSON.stringify({ Name: "x", Endpoints: { docker: { Host: host } } })

test("the flag precedes DOCKER_HOST, then come DOCKER_CONTEXT, the current context and the default socket", async (t) => {
  const dir = await configWith(t, "far", metaOf("tcp://far:1"))
  const env: NodeJS.ProcessEnv = { DOCKER_CONFIG: dir }
  const find = async (host?: string): Promise<string> =>
    (await findEndpoint({ host, env, home: "/none" })).address
  assert.match(await find(), /^unix:\/\/\/var\/run\/docker\.sock$|^npipe:/)
  await writeFile(join(dir, "config.json"), JSON.stringify({ currentContext: "far", auths: {} }))
  assert.equal(await find(), "tcp://far:1")
  env["DOCKER_CONTEXT"] = "default"
  assert.match(await find(), /^unix:|^npipe:/)
  env["DOCKER_CONTEXT"] = "far"
  assert.equal(await find(), "tcp://far:1")
  env["DOCKER_HOST"] = "tcp://env:2"
  assert.equal(await find(), "tcp://env:2")
  assert.equal(await find("tcp://flag:3"), "tcp://flag:3")
})

test("without DOCKER_CONFIG the directory is .docker in the home directory", async (t) => {
  const home = await tempDir(t)
  await mkdir(join(home, ".docker"))
  await writeFile(join(home, ".docker/config.json"), '{"currentContext": "gone"}')
  const hint = /docker context ls/
  await assert.rejects(findEndpoint({ env: {}, home }), { code: "ERR_CONFIG", message: /"gone"/, hint })
})

test("reads a context written by docker context create, with its certificates", async (t) => {
  if (!(await requireService(t, "docker", "openssl"))) return
  const [dir, certs] = [await tempDir(t), await tempDir(t)]
  const env = { DOCKER_CONFIG: dir }
  const words = (host: string): string[] => ["context", "create", host.replace(/\W+/g, "-"), "--docker"]
  await docker([...words("unix"), "host=unix:///tmp/x.sock"], { env })
  await makeCertificates(certs)
  const files = ["ca", "cert", "key"].map((name) => `${name}=${join(certs, `${name}.pem`)}`)
  await docker([...words("tls"), `host=tcp://box:2376,${files.join(",")}`], { env })
  await docker([...words("loose"), "host=tcp://box:2376,skip-tls-verify=true"], { env })

  const find = (DOCKER_CONTEXT: string) => findEndpoint({ env: { ...env, DOCKER_CONTEXT }, home: "/none" })
  assert.deepEqual(await find("unix"), { kind: "unix", address: "unix:///tmp/x.sock", path: "/tmp/x.sock" })
  const found = await find("tls")
  assert.ok(found.kind === "tcp")
  assert.equal(found.tls?.skipVerify, false)
  for (const name of ["ca", "cert", "key"] as const) {
    assert.deepEqual(found.tls[name], await readFile(join(certs, `${name}.pem`)), name)
  }
  const loose = await find("loose")
  assert.deepEqual(loose.kind === "tcp" && loose.tls, { skipVerify: true })
})

const badMeta: [claim: string, meta: string][] = [
  ["is not JSON", "{"],
  ["is null", "null"],
  ["has no endpoints", "{}"],
  ["has no docker endpoint", '{"Endpoints": {"kubernetes": {}}}'],
  ["has a number for a host", '{"Endpoints": {"docker": {"Host": 5}}}'],
  ["has an empty host", '{"Endpoints": {"docker": {"Host": ""}}}'],
]
for (const [claim, meta] of badMeta) {
  test(`a context whose file ${claim} is ERR_CONFIG`, async (t) => {
    const env = { DOCKER_CONFIG: await configWith(t, "bad", meta), DOCKER_CONTEXT: "bad" }
    await assert.rejects(findEndpoint({ env, home: "/none" }), { code: "ERR_CONFIG" })
  })
}

test("the error for a config.json that is not JSON names the file and quotes none of it", async (t) => {
  const dir = await tempDir(t)
  await writeFile(join(dir, "config.json"), '{"auths": {"r": {"auth": "hunter2"')
  await assert.rejects(findEndpoint({ env: { DOCKER_CONFIG: dir }, home: "/none" }), (error: unknown) => {
    assert.ok(isPurserError(error, "ERR_CONFIG"))
    assert.doesNotMatch(String(error.stack) + String(error.cause), /hunter2/)
    return true
  })
})

test("DOCKER_TLS_VERIFY reads DOCKER_CERT_PATH, and a certificate without its key is refused", async (t) => {
  const dir = await tempDir(t)
  const env = { DOCKER_HOST: "tcp://box", DOCKER_TLS_VERIFY: "1", DOCKER_CERT_PATH: dir }
  await writeFile(join(dir, "ca.pem"), "ca")
  const found = await findEndpoint({ env, home: "/none" })
  assert.deepEqual(found.kind === "tcp" && found.tls, { ca: Buffer.from("ca"), skipVerify: false })
  await writeFile(join(dir, "cert.pem"), "cert")
  await assert.rejects(findEndpoint({ env, home: "/none" }), { code: "ERR_CONFIG", message: /no key\.pem/ })
})
