/** The field of passwd(5) that holds a password itself, or none: what `jailkit explain` says of it is what logins by a key find. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { explainReportSchema } from "../../src/explain/report-schema.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";

setDefaultTimeout(120_000);

const KEY = "/root/key";
const HASH = "$6$salt$0123456789";
let m: Machine;
let [passwd, shadow] = ["", ""];
beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  m.mkdir("/run/sshd");
  m.remove("/etc/ssh/sshd_config.d");
  for (const key of ["/root/host", KEY]) m.must(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key]);
  m.must(["jk_init", "-j", "/srv/j", "basicshell"]);
  m.must(["jk_addjailuser", "-j", "/srv/j", "-s", "/bin/bash", "--authorized-key", `${KEY}.pub`, "anna"]);
  const settings = [
    "ListenAddress 127.0.0.1",
    "HostKey /root/host",
    "UsePAM yes",
    "PasswordAuthentication yes",
  ];
  m.write("/etc/ssh/sshd_config", `${settings.join("\n")}\n`);
  const server = m.start(["/usr/sbin/sshd", "-D", "-e"]);
  await server.until(({ stderr }) => /Server listening on/.test(stderr) || undefined);
  [passwd, shadow] = [m.read("/etc/passwd"), m.read("/etc/shadow")];
});
afterAll(() => m?.close());

function write(field: string, line: string | undefined): void {
  m.write(
    "/etc/passwd",
    passwd.replace(/^anna:x:/m, () => `anna:${field}:`),
  );
  const entry = line === undefined ? "" : `anna:${line}:19000:0:99999:7:::\n`;
  m.write(
    "/etc/shadow",
    shadow.replace(/^anna:.*\n/m, () => entry),
    { mode: 0o640 },
  );
}

const failed = () =>
  reportOf(explainReportSchema, m.run(["jailkit", "explain", "--json", "anna"]).stdout).steps.flatMap(
    ({ stage, name, outcome, message, remedy }) =>
      outcome !== "failed" && outcome !== "unknown" ? [] : [{ stage, name, outcome, message, remedy }],
  );

function login(): boolean {
  const options = [
    "StrictHostKeyChecking=no",
    "UserKnownHostsFile=/dev/null",
    "BatchMode=yes",
    "LogLevel=ERROR",
  ];
  const words = ["-F", "none", "-i", KEY, ...options.flatMap((one) => ["-o", one]), "anna@127.0.0.1", "true"];
  return m.run(["ssh", ...words]).status === 0;
}

test.each([
  ["x", HASH],
  [HASH, undefined],
  [HASH, "!"],
  ["*", undefined],
  ["!", undefined],
  ["!", HASH],
  ["", undefined],
])("with %j there, and %j in shadow(5), PAM lets the account in", (field, line) => {
  write(field, line);
  expect([failed(), login()]).toEqual([[], true]);
});

test("without the line that it promises, PAM refuses the account, and the remedy heals", () => {
  write("x", undefined);
  const [first] = failed();
  expect(first).toMatchObject({
    stage: "pam",
    name: "account",
    outcome: "failed",
    message: expect.stringContaining("anna is not in shadow(5), though passwd(5) says so (pam_unix)"),
    remedy: "passwd anna",
  });
  expect(login()).toBe(false);
  m.must(["passwd", "anna"], { stdin: "a long secret 7\na long secret 7\n" });
  expect([failed(), login()]).toEqual([[], true]);
});

test("a password there is one to log in with, whatever shadow(5) says, and none there is none", () => {
  m.must(["rm", "-r", "/srv/j/home/anna/.ssh"]);
  const names = () => failed().map(({ name }) => name);
  write(HASH, "!");
  expect(names()).toEqual([]);
  write("*", HASH);
  expect(names()).toEqual(["credentials"]);
});
