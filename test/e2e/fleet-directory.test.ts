/**
 * One directory (slapd) and three machines that ask it, by nslcd and by SSSD, with one declaration on each: what `jailkit
 * apply` prints goes into the directory once, and then the users log in on all of them over ssh.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { applyChangeSchema, applySummarySchema } from "../../src/declaration/report-schema.ts";
import { loginReportSchema } from "../../src/explain/report-schema.ts";
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

/** An account of the directory; its home there has a blank, so that no line of LDIF is simple. */
const account = (name: string, uid: number, more = "") => `dn: ${dnOf(name)}
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
${more}`;

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
const password = ["-o", "BatchMode=no", "-o", "PreferredAuthentications=password"];
const THERE = "sftp> pwd\nRemote working directory: /home/luser\n";

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
