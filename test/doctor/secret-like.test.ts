import assert from "node:assert/strict"
import { randomBytes } from "node:crypto"
import { test } from "node:test"
import fc from "fast-check"
import { secretsInCommand } from "../../src/doctor/command-line.ts"
import { suspicionOf } from "../../src/doctor/secret-like.ts"

/** Variables and labels of widely used images, unchanged. */
const common = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  HOME: "/root",
  PWD: "/app",
  HOSTNAME: "3f4e5d6c7b8a",
  LANG: "C.UTF-8",
  LC_ALL: "en_US.UTF-8",
  TZ: "Europe/Vienna",
  NODE_VERSION: "24.21.0",
  YARN_VERSION: "1.22.22",
  GPG_KEY: "E3FF2839C048B25C084DEBE9B26995E310250568",
  GPG_KEYS: "0D96DF4D4110E5C43FBFB17F2D347EA6AA65421D",
  PYTHON_VERSION: "3.13.1",
  PYTHON_SHA256: "9cf9427bee9e2242e3877dd0f6b641c1853ca461f39d6503ce260a59c80bf0d9",
  PYTHON_GET_PIP_URL:
    "https://github.com/pypa/get-pip/raw/66d8a0f637083e2c3ddffc0cb1e65ce126afb856/public/get-pip.py",
  PG_MAJOR: "17",
  PG_VERSION: "17.2-1.pgdg120+1",
  PGDATA: "/var/lib/postgresql/data",
  POSTGRES_USER: "app",
  POSTGRES_DB: "shop",
  POSTGRES_PASSWORD_FILE: "/run/secrets/db-password",
  NGINX_VERSION: "1.27.3",
  NJS_RELEASE: "1~bookworm",
  DYNPKG_RELEASE: "1~bookworm",
  JAVA_HOME: "/opt/java/openjdk",
  JAVA_VERSION: "jdk-21.0.5+11",
  REDIS_DOWNLOAD_URL: "http://download.redis.io/releases/redis-7.4.1.tar.gz",
  REDIS_DOWNLOAD_SHA: "bc34b878eb89421bbfca6fa78752343bf37af312a09eb0fae47c9575977dfaa2",
  GOLANG_VERSION: "1.23.4",
  GOTOOLCHAIN: "local",
  MARIADB_VERSION: "1:11.6.2+maria~ubu2404",
  GOSU_VERSION: "1.17",
  DOTNET_VERSION: "9.0.0",
  ASPNETCORE_HTTP_PORTS: "8080",
  TERM: "xterm-256color",
  GIT_COMMIT: "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567",
  APP_ID: "4f1c2f9a-2f0e-4f5c-9a3b-1f2e3d4c5b6a",
  TOKEN_TTL: "3600",
  JWT_ALGORITHM: "RS256",
  SECRET_NAME: "prod/db",
  PASSWORD_POLICY: "strict",
  RABBITMQ_PGP_KEY_ID: "0x0A9AF2115F4687BD29803A206B73A36E6026DFCA",
  KAFKA_CLUSTER_ID: "MkU3OEVBNTcwNTJENDM2Qk",
  "org.label-schema.vcs-ref": "dbf0c85f76fb6e1ab42aa672ffca6f0a675d9ee4",
  "com.docker.compose.config-hash": "dfe9fd5c28dc98b5ac17979a953ea550cec37ae1b47a5116007395bfacff2ab9",
  "com.docker.compose.project.working_dir": "/srv/Shop2024Prod/ComposeFiles",
  TOKENIZERS_PARALLELISM: "maybe",
  BYPASS: "something",
  PYTHONPASSTHROUGH: "x",
  DATABASE_URL: "postgres://db:5432/shop",
  DATABASE_URL_2: "postgres://app:$DB_PASSWORD@db/shop",
  API_TOKEN: "${API_TOKEN}",
  REQUIRE_PASSWORD: "true",
  JWT_PUBLIC_KEY: "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE6pwBIOFdX8tqQ0d1c2w3e4r5t6y7u8i9",
  SOME_OPTS: "-Xms512m",
  SERVICE: "some-quite-long-service-name-here",
  IMAGE: "registry.example.org/team/shop-backend:2026.11.23",
}

test("the environments of common images are clean", () => {
  for (const [name, value] of Object.entries(common)) assert.equal(suspicionOf(name, value), null, name)
})

test("a secret's name and a secret's shape are each found by themselves", () => {
  const pem = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----"
  const sure: [name: string, value: string, reason: RegExp][] = [
    ["DB_PASSWORD", "hunter2", /its name/],
    ["dbPassword", "hunter2", /its name/],
    ["MYSQL_ROOT_PASSWORD", "x", /its name/],
    ["db-pass", "hunter2", /its name/],
    ["SECRET_KEY", "abc", /its name/],
    ["DJANGO_SECRET_KEY", "abc", /its name/],
    ["API_KEY", "abc", /its name/],
    ["apiKey", "abc", /its name/],
    ["GITHUB_TOKEN", "abc", /its name/],
    ["AWS_SECRET_ACCESS_KEY", "abc", /its name/],
    ["SMTP_CREDENTIALS", "a b", /its name/],
    ["PGPASSWORD", "hunter2", /its name/],
    ["SSHPASS", "hunter2", /its name/],
    ["REDISCLI_AUTH", "hunter2", /its name/],
    ["API_SECRET", "/aB3dEf9hIjKlMnOpQrStUvWxYz0123456789abcdef", /its name/],
    ["X", "Server=db;User=sa;Password=hunter2;", /connection string/],
    ["X", "host=db user=app password='hunter2'", /connection string/],
    ["X", '{"auths":{"r.example.org":{"auth":"aHVudGVyMjpodW50ZXIy"}}}', /registry/],
    ["X", "https://hooks.example.org/?token=hunter2", /URL with a token/],
    ["X", pem, /private key/],
    ["DATABASE_URL", "postgres://app:hunter2@db/shop", /URL with a password/],
    ["CACHE", "redis://:hunter2@cache:6379", /URL with a password/],
    ["X", `ghp_${"a1B2".repeat(9)}`, /GitHub/],
    ["X", "AKIAIOSFODNN7EXAMPLE", /AWS/],
    ["X", `AGE-SECRET-KEY-1${"QPZRY9X8".repeat(7)}`, /age/],
    ["X", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmN", /JSON web token/],
    ["X", "xoxb-123456789012-abcdef", /Slack/],
  ]
  for (const [name, value, reason] of sure) {
    const found = suspicionOf(name, value)
    assert.ok(found?.isSure, name)
    assert.match(found.reason, reason)
  }
})

test("at least 95 % of random values are suspected, and none is called sure", () => {
  let [found, all] = [0, 0]
  for (let turn = 0; turn < 500; turn++) {
    for (const value of [randomBytes(32).toString("base64"), randomBytes(24).toString("hex")]) {
      const suspicion = suspicionOf("PLAIN", value)
      assert.ok(suspicion === null || (!suspicion.isSure && suspicion.reason === "its value looks random"))
      all++
      if (suspicion !== null) found++
    }
  }
  assert.ok(found > 0.95 * all, `${found} of ${all}`)
})

test("secrets in command lines are found, and references to them are not", () => {
  const found: string[][] = [
    ["mysqld", "--password=hunter2"],
    ["tool", "--api-key", "hunter2"],
    ["sh", "-c", "DB_PASSWORD=hunter2 exec app"],
    ["sh", "-c", "mysqladmin ping -u root -phunter2"],
    ["CMD-SHELL", "curl -fu admin:hunter2 http://localhost || curl -u admin:hunter2 x"],
    ["psql", "postgres://app:hunter2@db/shop"],
    ["curl", "-fsuadmin:hunter2", "-uadmin:hunter2", "http://localhost"],
    ["redis-cli", "-a", "hunter2", "ping"],
    ["redis-server", "--requirepass", "hunter2"],
    ["sh", "-c", "PGPASSWORD=hunter2 psql"],
    ["wget", "--header", "Authorization: Basic aHVudGVyMjpodW50ZXIy"],
    ["curl", "-H", "Authorization: Bearer abcdefghijklmnop"],
  ]
  for (const words of found) assert.ok(secretsInCommand(words).length > 0, words.join(" "))
  const clean: string[][] = [
    ["nginx", "-g", "daemon off;"],
    ["tool", "--password-file=/run/secrets/x", "--token-file", "/run/secrets/y"],
    ["tool", "--password", "/run/secrets/x"],
    ["sh", "-c", 'mysqladmin ping -p"$MYSQL_ROOT_PASSWORD"'],
    ["sh", "-c", 'export PASSWORD="$(cat /run/secrets/x)"; DB_PASSWORD=$X app --api-key $KEY'],
    ["redis-server", "--port", "6379"],
    ["sh", "-c", 'redis-cli -a "$REDIS_PASSWORD" ping; curl -u "$USER:$PASSWORD" http://localhost'],
    ["app", "--dsn", "host=db password=$PW", "--url=http://x/?token=$TOKEN"],
    ["tool", "--password", "--verbose"],
  ]
  for (const words of clean) assert.deepEqual(secretsInCommand(words), [], words.join(" "))
})

test("a hostile text cannot make the search take long", () => {
  const hostile = [
    "a.",
    "eyJaaaaaaaa-",
    "sk-a-",
    "A",
    "-----BEGIN A ",
    "Bearer ",
    "a://",
    "password=",
    "-u a:",
  ]
  for (const part of hostile) {
    const text = part.repeat(400_000 / part.length)
    const begun = performance.now()
    suspicionOf("X", text)
    secretsInCommand([text])
    assert.ok(performance.now() - begun < 10_000, part)
  }
})

test("a reason never contains the secret", () => {
  const value = fc.string({ minLength: 6, maxLength: 40 }).filter((text) => !/^\s*$/.test(text))
  fc.assert(
    fc.property(value, (secret) => {
      const random = `Zq9${Buffer.from(secret).toString("base64url")}x7K`
      const said = [
        suspicionOf("DB_PASSWORD", random)?.reason,
        suspicionOf("URL", `https://user:${random}@host/`)?.reason,
        ...secretsInCommand(["--password", random]),
        ...secretsInCommand([`TOKEN=${random} run --password=${random} ; curl -u me:${random}`]),
      ].join("\n")
      assert.ok(!said.includes(random), said)
    }),
  )
})
