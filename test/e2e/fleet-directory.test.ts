/**
 * One directory (slapd) and three machines that ask it, by nslcd and by SSSD, with one declaration on each: what `jailkit
 * apply` prints goes into the directory once, and then the users log in on all of them over ssh.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { applyChangeSchema, applySummarySchema } from "../../src/declaration/report-schema.ts";
import { explainReportSchema } from "../../src/explain/report-schema.ts";
import { SSSD_KEYS } from "../../src/system/sshd/sssd-keys.ts";
import { ldifOf } from "../../src/users/directory.ts";
import { openFleet } from "../machine/fleet.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { dnOf, PASSWORD } from "./directory-accounts.ts";
import {
  askDirectory,
  type DirectoryClient,
  type DirectoryServer,
  installDirectory,
  serveDirectory,
} from "./directory-scene.ts";

setDefaultTimeout(240_000);

const J = "/srv/j";
const FILE = "/etc/jailkit/jails.d/fleet.ini";
const MACHINES = { web1: "nslcd", web2: "sssd", web3: "sssd" } as const;
const NAMES = ["web1", "web2", "web3"] as const;
type Name = keyof typeof MACHINES;

let control: Machine;
let server: DirectoryServer;
const machines = new Map<Name, { m: Machine; client: DirectoryClient }>();
const on = (name: Name) => {
  const found = machines.get(name);
  if (found === undefined) throw new Error(name);
  return found;
};

const keyOf = (user: string) => control.read(`/root/${user}.pub`).trim();

const account = (name: string, uid: number) => `dn: ${dnOf(name)}
changetype: add
objectClass: account
objectClass: posixAccount
objectClass: ldapPublicKey
uid: ${name}
cn: ${name}
uidNumber: ${uid}
gidNumber: 7100
homeDirectory: /home/${name}
loginShell: /bin/sh
userPassword: ${PASSWORD}
`;

const declaration = () => `[jail ${J}]
sections = basicshell, sftp

[user luser]
jail = ${J}
directory = 1

[user mailer]
jail = ${J}
directory = 1
shell = /bin/bash
authorized_keys = ${keyOf("mailer")}

[user local]
jail = ${J}
shell = /bin/bash
authorized_keys = ${keyOf("mailer")}
`;

beforeAll(async () => {
  const fleet = await openFleet(NAMES, { under: "ours" });
  control = fleet.control;
  for (const user of ["luser", "mailer"])
    control.must(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", user, "-f", `/root/${user}`]);
  control.write("/root/password", `#!/bin/sh\necho '${PASSWORD}'\n`, { mode: 0o700 });
  installDirectory(control, ["slapd"]);
  server = await serveDirectory(control, "0.0.0.0");
  for (const entry of [account("luser", 7004), account("mailer", 7005)])
    expect(server.modify(entry)).toMatchObject({ status: 0 });
  for (const [index, name] of NAMES.entries()) {
    const m = fleet.machines[index];
    if (m === undefined) throw new Error(name);
    const kind = MACHINES[name];
    installDirectory(m, [kind]);
    machines.set(name, { m, client: await askDirectory(m, kind, { server: "control", qualified: false }) });
    m.write(FILE, declaration());
  }
});
afterAll(() => control?.close());

const apply = (name: Name, ...words: string[]) => on(name).m.run(["jailkit", "apply", ...words]);

/** The lines of --json: changes, and the summary. */
function reported(stdout: string) {
  const lines = stdout.trimEnd().split("\n");
  const summary = reportOf(applySummarySchema, lines.at(-1) ?? "");
  return { summary, changes: lines.slice(0, -1).map((line) => reportOf(applyChangeSchema, line).change) };
}

/** The records of LDIF in a text, one for each user. */
const recordsIn = (stdout: string) =>
  [...stdout.matchAll(/^dn: THE-DN-OF (\w+)\n(?:.+\n)+?(?=\n|#)/gm)].map(([record]) => record);

const ssh = ["-F", "none", "-o", "StrictHostKeyChecking=accept-new", "-o", "LogLevel=ERROR"];
const asking = { SSH_ASKPASS: "/root/password", SSH_ASKPASS_REQUIRE: "force", PATH: "/usr/bin:/bin" };

const byKey = (user: string, key: string, name: Name, command: string) =>
  control.run([
    "ssh",
    ...ssh,
    "-o",
    "BatchMode=yes",
    "-o",
    "IdentitiesOnly=yes",
    "-i",
    `/root/${key}`,
    `${user}@${name}`,
    command,
  ]);

/** Of the limited shell, which lets the group of the user do this. */
const bySftp = (name: Name, ...how: string[]) =>
  control.run(["sftp", ...ssh, ...how, "-b", "-", `luser@${name}`], { stdin: "pwd\n", env: asking });
const byKeyOf = (key: string) => ["-o", "IdentitiesOnly=yes", "-i", `/root/${key}`];
const byLuserKey = byKeyOf("luser");
const password = ["-o", "BatchMode=no", "-o", "PreferredAuthentications=password"];
const THERE = "sftp> pwd\nRemote working directory: /home/luser\n";

function verdict(name: Name, user: string) {
  const run = on(name).m.run(["jailkit", "explain", "--json", "--from", "10.19.75.1", user]);
  const { steps } = reportOf(explainReportSchema, run.stdout);
  return { status: run.status, credentials: steps.find((step) => step.name === "credentials") };
}

let printed: string[] = [];

test("a declaration prepares the jail on each machine, and says the same of the directory on all", () => {
  for (const name of NAMES) {
    const { status, stdout } = apply(name);
    expect([status, stdout]).toEqual([0, expect.stringContaining("4 changed, 0 failed, 0 as declared")]);
    const { m } = on(name);
    expect(m.read(`${J}/etc/passwd`)).toContain("luser:x:7004:7100:luser:/home/luser:/usr/sbin/jk_lsh\n");
    expect(m.read(`${J}/etc/passwd`)).toContain("mailer:x:7005:7100:mailer:/home/mailer:/bin/bash\n");
    expect(m.stat(`${J}/home/luser`)).toMatchObject({ uid: 7004, gid: 7100, mode: 0o40700 });
    const records = recordsIn(stdout);
    expect(records).toHaveLength(2);
    if (printed.length > 0) expect(records).toEqual(printed);
    printed = records;
    const again = apply(name, "--json");
    const { summary, changes } = reported(again.stdout);
    expect([again.status, changes, summary.changed]).toEqual([0, [], 0]);
    const inJson = summary.directories.map(({ attributes }) => `${attributes.ldif.join("\n")}\n`);
    expect(inJson).toEqual(printed);
  }
});

test("one entry in the directory lets the user log in on each machine", () => {
  // Nobody is let in before.
  expect(byKey("mailer", "mailer", "web1", "pwd").status).toBe(255);
  // The records follow each other as they were printed.
  const ldif = printed
    .join("\n")
    .replace(/^dn: THE-DN-OF (\w+)$/gm, (_, name: string) => `dn: ${dnOf(name)}`);
  expect(server.modify(ldif)).toMatchObject({ status: 0, stderr: "" });
  for (const name of NAMES) {
    const { m } = on(name);
    for (const user of ["luser", "mailer"])
      while (
        !m.run(["getent", "passwd", user]).stdout.includes(`:${J}/./home/${user}:/usr/sbin/jk_chrootsh`)
      );
    // The rights of its group are enough for an account that is declared by name only.
    m.write(`${J}/etc/jailkit/jk_lsh.ini`, "[group web]\nallow = sftp\n");
    const command = "pwd; id -un; test -e /var/lib/jailkit || echo in the jail";
    expect(byKey("mailer", "mailer", name, command)).toMatchObject({
      status: 0,
      stdout: "/home/mailer\nmailer\nin the jail\n",
    });
    expect(bySftp(name, ...password)).toMatchObject({ status: 0, stdout: THERE });
    expect(byKey("local", "mailer", name, "pwd")).toMatchObject({ status: 0, stdout: "/home/local\n" });
  }
});

test("then a run finds nothing to change and nothing to say", () => {
  for (const name of NAMES) {
    expect(apply(name)).toMatchObject({
      status: 0,
      stdout: "0 changed, 0 failed, 4 as declared\n",
      stderr: "",
    });
    expect(apply(name, "--check").status).toBe(0);
    const { summary } = reported(apply(name, "--json").stdout);
    expect([summary.directories, summary.problems]).toEqual([[], []]);
  }
});

test("the shell of a user that is declared by name only stays, and a declared one comes back", () => {
  const { m } = on("web3");
  const shell = (user: string) => new RegExp(`^${user}:.*:(.*)$`, "m").exec(m.read(`${J}/etc/passwd`))?.[1];
  const give = (user: string, path: string) =>
    m.must(["jk_jailuser", "--jail-side-only", "-s", path, "-j", J, user]);
  give("luser", "/bin/bash");
  give("mailer", "/bin/sh");
  expect(apply("web3").stdout).toEndWith("1 changed, 0 failed, 3 as declared\n");
  expect([shell("luser"), shell("mailer")]).toEqual(["/bin/bash", "/bin/bash"]);
  give("luser", "/usr/sbin/jk_lsh");
  expect(apply("web3").stdout).toEndWith("0 changed, 0 failed, 4 as declared\n");
});

test("a key in the directory counts where SSSD gives it to sshd, and explain says so", async () => {
  for (const name of ["web2", "web3"] as const) expect(bySftp(name, ...byLuserKey).status).toBe(255);
  // It has a password, which shadow(5) does not know.
  expect(verdict("web2", "luser").credentials).toMatchObject({ outcome: "unknown" });
  for (const name of ["web2", "web3"] as const) {
    const { m } = on(name);
    m.write(
      "/etc/ssh/sshd_config.d/keys.conf",
      `PasswordAuthentication no\nAuthorizedKeysCommand ${SSSD_KEYS}\nAuthorizedKeysCommandUser nobody\n`,
    );
    m.must(["sh", "-c", "kill -HUP $(cat /run/sshd.pid)"]);
    while (control.run(["ssh-keyscan", "-q", name]).stdout === "");
  }
  const add = (key: string) =>
    server.modify(`dn: ${dnOf("luser")}\nchangetype: modify\nadd: sshPublicKey\nsshPublicKey: ${key}\n`);
  const none = verdict("web3", "luser");
  expect(none).toMatchObject({ status: 1, credentials: { outcome: "failed" } });
  expect(none.credentials?.message).toContain("SSSD has no key of the user");
  expect(none.credentials?.remedy).not.toBe("");
  // A type that sshd does not accept.
  expect(add("ssh-dss AAAAB3NzaC1kc3MAAACBAP1/U4EddRIpUt9KnC7s5Of2EbdSPO9EAMMeP4C2").status).toBe(0);
  expect(add(keyOf("luser")).status).toBe(0);
  for (const name of ["web2", "web3"] as const) {
    while (!on(name).m.run([SSSD_KEYS, "luser"]).stdout.includes(keyOf("luser")));
    const { credentials } = verdict(name, "luser");
    expect(credentials).toMatchObject({ outcome: "passed" });
    expect(credentials?.message).toStartWith(`a key from SSSD (${SSSD_KEYS})`);
    expect(bySftp(name, ...byLuserKey)).toMatchObject({ status: 0, stdout: THERE });
    // Another key still does not.
    expect(bySftp(name, ...byKeyOf("mailer")).status).toBe(255);
    // Both count for one whose key is in the jail, too.
    expect(verdict(name, "mailer").credentials?.message).toStartWith(`a key in ${J}/./home/mailer/.ssh/`);
    expect(apply(name)).toMatchObject({ status: 0, stdout: "0 changed, 0 failed, 4 as declared\n" });
  }
  // Neither sshd nor explain runs what others can change.
  on("web3").m.chmod(SSSD_KEYS, 0o757);
  expect(bySftp("web3", ...byLuserKey).status).toBe(255);
  const { credentials } = verdict("web3", "luser");
  expect(credentials).toMatchObject({ outcome: "unknown" });
  expect(credentials?.message).toContain("a program names keys (AuthorizedKeysCommand)");
  on("web3").m.chmod(SSSD_KEYS, 0o755);
});

test("while the directory is down, only its users fail, and nothing waits for it", async () => {
  const changed = (shell: string) =>
    declaration().replace(/(\[user local\]\njail = .*\nshell = ).*/, `$1${shell}`);
  const failure = (user: string) =>
    `jailkit apply: user ${user}: a name service does not answer (passwd: files `;
  const failing = (name: Name, shell: string) => {
    const { m } = on(name);
    m.write(FILE, changed(shell));
    const run = apply(name);
    expect([run.status, run.stdout]).toEqual([
      1,
      expect.stringContaining("1 changed, 2 failed, 1 as declared"),
    ]);
    for (const user of ["luser", "mailer"]) expect(run.stderr).toContain(failure(user));
    expect(m.read(`${J}/etc/passwd`)).toMatch(new RegExp(`^local:.*:${shell}$`, "m"));
    const { summary } = reported(apply(name, "--check", "--json").stdout);
    expect(summary).toMatchObject({ changed: 0, failed: 2, unchanged: 2, directories: [] });
    expect(summary.problems.map(({ code }) => code)).toEqual(["name-service", "name-service"]);
  };
  await server.stopServer();
  failing("web1", "/bin/sh");
  await on("web1").client.stopDaemon();
  failing("web1", "/bin/bash");
  // SSSD has kept what it knew, until its daemon ends.
  on("web2").m.write(FILE, changed("/bin/sh"));
  expect(apply("web2").stdout).toEndWith("1 changed, 0 failed, 3 as declared\n");
  await on("web2").client.stopDaemon();
  failing("web2", "/bin/bash");
});

test("while it is down, --prune removes nobody of it, and later it does", async () => {
  const { m, client } = on("web1");
  const without = declaration().replace(/\[user mailer\][^[]*/, "");
  m.write(FILE, without);
  const line = () => /^mailer:/m.test(m.read(`${J}/etc/passwd`));
  const run = apply("web1", "--prune");
  expect([run.status, line()]).toEqual([1, true]);
  expect(run.stderr).toContain(
    "user mailer: is not declared any more, and stays: a name service does not answer",
  );
  await server.startServer();
  await client.startDaemon();
  while (m.run(["getent", "passwd", "mailer"]).status !== 0);
  const later = apply("web1", "--prune");
  expect([later.status, line()]).toEqual([0, false]);
  expect(later.stderr).toContain(`the directory still says that 'mailer' has the home '${J}/./home/mailer'`);
  expect(byKey("mailer", "mailer", "web1", "pwd").status).not.toBe(0);
  expect(apply("web1", "--prune")).toMatchObject({
    status: 0,
    stdout: "0 changed, 0 failed, 3 as declared\n",
  });
});

test("the lines of an account that left the directory are removed with --prune, too", async () => {
  const { m, client } = on("web2");
  await client.startDaemon();
  expect(server.modify(`dn: ${dnOf("luser")}\nchangetype: delete\n`).status).toBe(0);
  while (m.run(["getent", "passwd", "luser"]).status === 0);
  m.write(FILE, declaration());
  const fault =
    "jailkit apply: user luser: no name service knows the account, which 'directory' says is in one";
  const run = apply("web2");
  expect([run.status, run.stderr]).toEqual([1, expect.stringContaining(fault)]);
  m.write(FILE, declaration().replace(/\[user luser\][^[]*/, ""));
  expect(apply("web2", "--prune")).toMatchObject({ status: 0, stderr: "" });
  expect(m.read(`${J}/etc/passwd`)).not.toContain("luser");
});

test.each([
  "/srv/j/./home/luser",
  `/srv/${"long/".repeat(40)}./home/luser`,
  `/srv/${"a b ".repeat(40)}/./home/luser`,
  " /srv/j/./home/luser ",
  ": /srv",
  "< file:///etc/passwd",
  '/srv/a\\,+"=<>;#b/./home/luser',
])("ldapmodify understands the LDIF for a home %j", (home) => {
  const [, ...ldif] = ldifOf({ name: "carla", change: { home, shell: "/usr/sbin/jk_chrootsh" } });
  expect(server.modify(`${[`dn: ${dnOf("carla")}`, ...ldif].join("\n")}\n`)).toMatchObject({ status: 0 });
  const search = [
    "ldapsearch",
    "-x",
    "-LLL",
    "-o",
    "ldif-wrap=no",
    "-H",
    "ldap://127.0.0.1",
    "-b",
    dnOf("carla"),
  ];
  const found = control.must([...search, "homeDirectory"]).stdout;
  const [, base64, text = ""] = /^homeDirectory:(:?) (.*)$/m.exec(found) ?? [];
  expect(base64 === "" ? text : Buffer.from(text, "base64").toString("latin1")).toBe(home);
});

test("a home that is not ASCII is refused by the directory as such (RFC 2307: IA5String)", () => {
  const change = { home: "/srv/j\xc3\xbc/./home/carla", shell: "/usr/sbin/jk_chrootsh" };
  const [, ...ldif] = ldifOf({ name: "carla", change });
  const { stderr } = server.modify(`${[`dn: ${dnOf("carla")}`, ...ldif].join("\n")}\n`);
  expect(stderr).toContain("homeDirectory: value #0 invalid per syntax");
});
